#!/usr/bin/env python3
"""Scores `skill search` over the ten repositories that queries.jsonl is about.

    python3 crates/core/tests/search/score.py PROGRAM FOLDER [--half even|odd] [--show] [--others]

FOLDER has a bare clone of each as OWNER+NAME (or OWNER+NAME/repo). Everything is registered as a
person would register it, in a home of its own that is thrown away; each query is one run of the
program. `--others` adds SQLite's FTS5 and plain BM25 over the same documents. Without the clones
it says so and ends with status 0.
"""
import argparse, json, math, os, pathlib, re, sqlite3, statistics, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).parent
# Name, repository, folder of it: a plugin catalogue and the folder of skills beside it are two.
SHELVES = [
    ("openclaw", "openclaw/skills", ""), ("davila", "davila7/claude-code-templates", ""),
    ("copilot", "github/awesome-copilot", ""), ("official", "anthropics/claude-plugins-official", ""),
    ("wshobson", "wshobson/agents", ""), ("jeffallan", "Jeffallan/claude-skills", ""),
    ("anthropic", "anthropics/skills", ""), ("superpowers", "obra/superpowers", ""),
    ("openai", "openai/skills", ""), ("vercel", "vercel-labs/agent-skills", ""),
]


def clone(folder, repository):
    path = pathlib.Path(folder) / repository.replace("/", "+")
    return path / "repo" if (path / "repo").is_dir() else path


def git(path, *args, data=None):
    return subprocess.run(["git", "-C", path, *args], input=data, capture_output=True, check=True).stdout


def descriptions(folder):
    """Folder of a skill, with its repository, to its name and description."""
    known = {}
    for _, repository, _ in SHELVES:
        path = clone(folder, repository)
        rows = [row.split("\t", 1) for row in git(path, "ls-tree", "-r", "-z", "HEAD").decode().split("\0") if row]
        files = [(meta.split()[2], name) for meta, name in rows if name.rsplit("/", 1)[-1].lower() == "skill.md"]
        out = git(path, "cat-file", "--batch", data="\n".join(sha for sha, _ in files).encode())
        at = 0
        for _, name in files:
            end = out.index(b"\n", at)
            size = int(out[at:end].split()[2])
            text = out[end + 1:end + 1 + size].decode("utf-8", "replace")
            at = end + size + 2
            folder_of = name.rsplit("/", 1)[0] if "/" in name else "."
            known[f"{repository}/{folder_of}"] = text
    return known


def squeeze(text):
    return re.sub(r"\W+", " ", text).strip().lower()


class Shop:
    """The program in a home of its own, with all marketplaces registered."""

    def __init__(self, program, folder, home):
        self.program, self.home = os.path.abspath(program), home
        os.makedirs(f"{home}/project", exist_ok=True)
        self.env = {"PATH": os.environ["PATH"], "HOME": home, "LC_ALL": "C.UTF-8"}
        for name, repository, below in SHELVES:
            at = time.monotonic()
            source = f"file://{clone(folder, repository)}" + (f"#:{below}" if below else "")
            run = self.run("marketplace", "add", name, source)
            print(f"{name}: {time.monotonic() - at:.1f} s, {run.stderr.strip().splitlines()[-1].strip()}", file=sys.stderr)

    def run(self, *args):
        run = subprocess.run([self.program, *args], env=self.env, cwd=f"{self.home}/project", capture_output=True, text=True)
        if run.returncode:
            sys.exit(f"{args}: {run.stderr}")
        return run

    def search(self, query):
        at = time.perf_counter()
        run = self.run("skill", "search", "--offline", "--json", "--limit", "10", "--", query)
        return json.loads(run.stdout)["results"], (time.perf_counter() - at) * 1e3

    def documents(self):
        for path in pathlib.Path(self.home).rglob("catalogs/*/*"):
            _, length, rest = path.read_bytes().split(b"\n", 2)
            yield from json.loads(rest[int(length):])

    def index_size(self):
        return sum(path.stat().st_size for path in pathlib.Path(self.home).rglob("indexes/*/*"))


def fts5(documents):
    base = sqlite3.connect(":memory:")
    base.execute("create virtual table d using fts5(name, labels, description, body, tokenize='porter unicode61')")
    base.executemany("insert into d values (?,?,?,?)", [fields(document) for document in documents])

    def search(query):
        words = re.findall(r"\w+", query)
        text = " OR ".join(f'"{word}"' for word in words)
        rows = base.execute("select rowid from d where d match ? order by bm25(d, 3, 2, 1, 0.4) limit 10", [text]) if text else []
        return [documents[row[0] - 1] for row in rows]
    return search


def fields(document):
    labels = " ".join(document.get("tags", []) + document.get("keywords", []) + document.get("triggers", []))
    return document["name"], labels, document.get("description", ""), document.get("body", "")


def bm25(documents):
    texts = [re.findall(r"\w+", f"{d['name']} {d.get('description', '')}".lower()) for d in documents]
    lists, average = {}, statistics.mean(map(len, texts))
    for at, words in enumerate(texts):
        for word in set(words):
            lists.setdefault(word, []).append((at, words.count(word)))

    def search(query):
        scores = {}
        for word in set(re.findall(r"\w+", query.lower())):
            having = lists.get(word, [])
            rarity = math.log(1 + (len(texts) - len(having) + .5) / (len(having) + .5))
            for at, n in having:
                scores[at] = scores.get(at, 0) + rarity * n * 2.2 / (n + 1.2 * (.25 + .75 * len(texts[at]) / average))
        return [documents[at] for at in sorted(scores, key=lambda at: -scores[at])[:10]]
    return search


def wanted(query, known):
    """What a row's description or name must be."""
    texts = [known[skill] for skill in [query["skill"], *query.get("also", [])] if skill in known]
    return [squeeze(text[:6000]) for text in texts]


def hit(row, texts):
    description = squeeze(row.get("description", ""))
    return len(description) >= 20 and any(description[:200] in text for text in texts)


def report(name, places, found, queries, times):
    kinds = ["keywords", "paraphrase", "sentence", "typo", "cjk", "cross"]
    share = lambda top, rows: sum(1 for place in rows if place is not None and place < top) / max(len(rows), 1)
    of = lambda kind: [place for place, query in zip(places, queries) if query["kind"] == kind]
    cells = [f"{share(n, places):.3f}" for n in (1, 3, 10)]
    cells += [f"{1 - sum(found) / len(found):.3f}"] + [f"{share(3, of(kind)):.2f}" for kind in kinds]
    if times:
        times = sorted(times)
        cells += [f"{statistics.median(times):.1f}", f"{times[int(len(times) * .95)]:.1f}"]
    print(f"| {name} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("--half", choices=["even", "odd"])
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--others", action="store_true")
    parser.add_argument("--home")
    args = parser.parse_args()
    missing = [repository for _, repository, _ in SHELVES if not clone(args.folder, repository).is_dir()]
    if missing:
        return print(f"skipped: there is no clone of {', '.join(missing)} in {args.folder}")
    queries = [json.loads(line) for line in (HERE / "queries.jsonl").read_text().splitlines()]
    if args.half:
        queries = queries[0 if args.half == "even" else 1::2]
    known = descriptions(args.folder)
    with tempfile.TemporaryDirectory() as home:
        shop = Shop(args.program, args.folder, home)
        shop.search("warm")
        print(f"index: {shop.index_size():,} bytes, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
        print("| system | hit@1 | hit@3 | hit@10 | nothing | keyw | para | sent | typo | cjk | cross | ms | p95 |\n" + "|---" * 13 + "|")
        systems = [("ba-agent", shop.search)]
        if args.others:
            documents = list(shop.documents())
            systems += [("SQLite FTS5, porter", fts5(documents)), ("BM25, name and description", bm25(documents))]
        for name, search in systems:
            places, found, times = [], [], []
            for query in queries:
                rows = search(query["query"])
                if isinstance(rows, tuple):
                    rows, took = rows
                    times.append(took)
                texts = wanted(query, known)
                place = next((n for n, row in enumerate(rows) if hit(row, texts)), None)
                places.append(place)
                found.append(bool(rows))
                if args.show and name == "ba-agent" and (place is None or place > 2):
                    print(f"    {query['kind']:<10} {place} `{query['query']}` -> {[row['name'] for row in rows[:4]]}; {query['skill']}", file=sys.stderr)
            report(name, places, found, queries, times)


main()
