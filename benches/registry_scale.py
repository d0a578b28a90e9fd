#!/usr/bin/env python3
"""One server of a registry, three, and one again, behind nginx, while people read and publish.

    benches/registry_scale.py target/release/ba-agent-registry [--seconds 5] [--readers 6]

Servers share a PostgreSQL of this script's own and a folder; nginx has `deploy/nginx-proxy.conf` with
other servers in it. Each change is a reload of nginx; a server that is to go gets SIGTERM when it is out
of the list, but one gets it while it is still in. Prints a line for each stage, and ends with 1 if a
request failed, if a version that was acknowledged is not in its index, or if a server ended badly.
"""
import argparse
import base64
import collections
import glob
import hashlib
import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

STARTED = []
HERE = os.path.dirname(os.path.abspath(__file__))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Postgres:
    """A PostgreSQL in a folder, as the user `postgres` where this one is root, whom it refuses."""

    def __init__(self, folder):
        self.bin = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        self.data, self.port = os.path.join(folder, "postgres"), free_port()
        self.folder = folder
        if os.getuid() == 0:
            subprocess.run(["chown", "postgres", folder], check=True)
        self.run(f"{self.bin}/initdb -D {self.data} -U postgres -A trust --no-sync >/dev/null")
        options = f"-p {self.port} -h 127.0.0.1 -k {folder} -c max_connections=200"
        self.run(f"{self.bin}/pg_ctl -w -D {self.data} -l {folder}/postgres.log -o '{options}' start >/dev/null")
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def run(self, line):
        as_user = ["su", "postgres", "-c", line] if os.getuid() == 0 else ["sh", "-c", line]
        subprocess.run(as_user, check=True, cwd="/")

    def stop(self):
        self.run(f"{self.bin}/pg_ctl -D {self.data} -m immediate stop >/dev/null")


class Server:
    """A server of the registry on a port of its own."""

    def __init__(self, program, folder, url, database):
        self.port, self.setup = free_port(), None
        settings = {
            "LISTEN": f"127.0.0.1:{self.port}",
            "URL": url,
            "DATABASE": database,
            "OBJECTS": os.path.join(folder, "files"),
            "TRUSTED_PROXIES": "[127.0.0.0/8]",
            "LIMITS_PUBLISH_PER_HOUR": "1000000",
            "LIMITS_READ_PER_MINUTE": "100000000",
        }
        env = {"PATH": os.environ["PATH"], "HOME": folder}
        env.update({"BA_REGISTRY_" + key: value for key, value in settings.items()})
        log = open(os.path.join(folder, "servers.log"), "ab")
        self.process = subprocess.Popen(
            [program], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=log, text=True
        )
        STARTED.append(self.process)
        for line in self.process.stdout:
            if "one-time token: " in line:
                self.setup = line.split(": ")[1].strip()
            if line.startswith("ready at "):
                break
        else:
            sys.exit("a server ended before it was ready: see " + log.name)

    def stop(self):
        """Asks it to stop; the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        return (time.monotonic() - began, code)


class Nginx:
    """nginx with our file, its list of servers written anew for each change."""

    def __init__(self, folder, ports):
        self.folder, self.port = folder, free_port()
        self.pid = os.path.join(folder, "nginx.pid")
        self.write(ports)
        self.process = subprocess.Popen(["nginx", "-c", os.path.join(folder, "nginx.conf")])
        STARTED.append(self.process)
        while not os.path.exists(self.pid):
            time.sleep(0.01)

    def write(self, ports):
        with open(os.path.join(HERE, "..", "deploy", "nginx-proxy.conf")) as file:
            text = file.read().replace("listen 8080", f"listen 127.0.0.1:{self.port}")
        servers = "".join(f"    server 127.0.0.1:{port} max_fails=1 fail_timeout=2s;\n" for port in ports)
        text = re.sub(r"(    server registry-\d:8000[^\n]*\n)+", servers, text)
        text = text.replace("upstream ba_agent_registry {", f"upstream ba_agent_registry {{\n    # {time.time()}")
        temp = "".join(
            f"{kind}_temp_path {self.folder}/{kind}; "
            for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        )
        with open(os.path.join(self.folder, "server.conf"), "w") as file:
            file.write(text)
        with open(os.path.join(self.folder, "nginx.conf"), "w") as file:
            file.write(
                f"daemon off; pid {self.pid}; error_log {self.folder}/nginx.log warn; worker_processes 2; "
                f"events {{ worker_connections 512; }} http {{ access_log off; {temp} include {self.folder}/server.conf; }}"
            )

    def take(self, ports):
        self.write(ports)
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=30)


def archive(name, text):
    """A skill as the client packs it."""
    out = io.BytesIO()
    manifest = f"---\nname: {name}\ndescription: Extracts tables from files, {text}.\n---\n\n{text}\n".encode()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo("SKILL.md")
        info.size, info.mode = len(manifest), 0o644
        tar.addfile(info, io.BytesIO(manifest))
    return out.getvalue()


class Load:
    """Requests on connections that are kept, until told to end. What is not answered as it should be is
    a failure; so is a connection that breaks off before its answer."""

    def __init__(self, port):
        self.port, self.is_over = port, threading.Event()
        self.counts, self.failures, self.times = collections.Counter(), [], []
        self.published, self.threads, self.reconnected = [], [], 0

    def ask(self, connection, method, path, wanted, body=None, headers=None):
        began = time.monotonic()
        is_reused = connection.sock is not None
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as broken:
            connection.close()
            if is_reused and isinstance(broken, (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)):
                # nginx gave up an idle connection, as it does when it reads its file again: every client
                # of HTTP asks again then, on a new one.
                self.reconnected += 1
                return self.ask(connection, method, path, wanted, body, headers)
            self.failures.append(f"{method} {path}: {broken!r}")
            return None
        self.times.append(time.monotonic() - began)
        self.counts[f"{method} {answer.status}"] += 1
        if answer.status not in wanted:
            self.failures.append(f"{method} {path}: {answer.status} {said[:200]!r}")
        return said

    def read(self, paths):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        while not self.is_over.is_set():
            for path in paths:
                self.ask(connection, "GET", path, {200})

    def publish(self, token, writer):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        number = 0
        while not self.is_over.is_set():
            number += 1
            name, version = f"tables-{writer}", f"1.{number}.0"
            put_version(self, connection, token, name, version)
            time.sleep(0.05)

    def start(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        thread.start()
        self.threads.append(thread)

    def end(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()


def put_version(load, connection, token, name, version):
    body = archive(name, version)
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/gzip",
        "Digest": f"sha-256={digest}",
    }
    failed = len(load.failures)
    path = f"/api/v1/skills/@acme/{name}/versions/{version}"
    # 200: a try that was not answered had been taken, and nginx asked another server.
    load.ask(connection, "PUT", path, {200, 201}, body, headers)
    if len(load.failures) == failed:
        load.published.append((name, version))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each stage")
    parser.add_argument("--readers", type=int, default=6)
    parser.add_argument("--writers", type=int, default=2)
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        database = os.path.join(folder, "database")
        os.mkdir(database)
        postgres = Postgres(database)
        try:
            sys.exit(scale(program, folder, postgres.url, options))
        finally:
            for process in STARTED:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
            postgres.stop()


def scale(program, folder, database, options):
    public = f"http://127.0.0.1:{free_port()}"
    start = lambda: Server(program, folder, public, database)
    servers = [start()]
    nginx = Nginx(folder, [servers[0].port])
    load = Load(nginx.port)
    connection = http.client.HTTPConnection("127.0.0.1", nginx.port)
    made = json.dumps({"token": servers[0].setup, "login": "root", "password": "correct horse battery"})
    said = load.ask(connection, "POST", "/api/v1/setup", {201}, made, {"Content-Type": "application/json"})
    token = json.loads(said)["token"]
    put_version(load, connection, token, "pdf-tables", "1.0.0")
    if load.failures:
        print("\n".join(load.failures), file=sys.stderr)
        return 1
    paths = ["/registry.json", "/@acme/pdf-tables/index.jsonl", "/api/v1/skills?q=tables", "/readyz"]
    for _ in range(options.readers):
        load.start(load.read, paths)
    for writer in range(options.writers):
        load.start(load.publish, token, writer)

    def stage(name, change):
        before, failed, at, began = sum(load.counts.values()), len(load.failures), len(load.times), time.monotonic()
        ended = change()
        time.sleep(options.seconds)
        took = sorted(load.times[at:])
        rate = (sum(load.counts.values()) - before) / (time.monotonic() - began)
        slowest = took[-1] * 1000 if took else 0
        p99 = took[int(len(took) * 0.99)] * 1000 if took else 0
        print(f"{name:<46} {rate:7.0f}/s  p99 {p99:6.1f} ms  slowest {slowest:6.0f} ms  failed {len(load.failures) - failed}", flush=True)
        return ended

    def grow():
        servers.extend([start(), start()])
        nginx.take([server.port for server in servers])

    def leave():
        nginx.take([server.port for server in servers[:2]])
        time.sleep(1)
        return [servers[2].stop()]

    def vanish():
        return [servers[1].stop()]

    stage("one server", lambda: None)
    stage("three servers", grow)
    stopped = stage("two: the third left the list, then stopped", leave)
    stopped += stage("one: the second stopped while in the list", vanish)
    nginx.take([servers[0].port])
    load.end()
    missing = 0
    for name in {name for name, _ in load.published}:
        lines = load.ask(connection, "GET", f"/@acme/{name}/index.jsonl", {200})
        there = {json.loads(line)["version"] for line in lines.splitlines()}
        missing += sum(1 for one, version in load.published if one == name and version not in there)
    stopped.append(servers[0].stop())
    nginx.stop()
    print(f"answers: {dict(sorted(load.counts.items()))}")
    print(f"published {len(load.published)}, of which not in their index {missing}")
    print("stopped in " + ", ".join(f"{seconds:.2f} s (status {code})" for seconds, code in stopped))
    print(f"failed {len(load.failures)}; asked again on a new connection {load.reconnected}")
    for failure in load.failures[:10]:
        print("  " + failure, file=sys.stderr)
    return 1 if load.failures or missing or any(code for _, code in stopped) else 0


if __name__ == "__main__":
    main()
