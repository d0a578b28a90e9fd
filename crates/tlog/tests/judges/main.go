// Checks a log with the tiles and notes of Go's checksum database: the signature of its
// checkpoint, each leaf, each tile, and that an older checkpoint is its beginning.
//
// Usage: judge FOLDER KEY [OLDER-CHECKPOINT [RECORD...]]
package main

import (
	"encoding/binary"
	"fmt"
	"io/ioutil"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error) {
	if err != nil {
		fmt.Println("refused:", err)
		os.Exit(1)
	}
}

func refuse(format string, args ...interface{}) {
	fmt.Printf("refused: "+format+"\n", args...)
	os.Exit(1)
}

// openTree reads a signed checkpoint: the name of the log, its size, its root.
func openTree(file string, key note.Verifier) tlog.Tree {
	bytes, err := ioutil.ReadFile(file)
	check(err)
	opened, err := note.Open(bytes, note.VerifierList(key))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != key.Name() {
		refuse("a checkpoint of %q", lines[0])
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)
	return tlog.Tree{N: size, Hash: root}
}

// files reads tiles as static files have them: the height, always eight, is not in their path.
type files struct{ folder string }

func (f files) Height() int { return 8 }

func (f files) path(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), "tile/8/")
	path = strings.Replace(path, "data/", "entries/", 1)
	return filepath.Join(f.folder, "tile", filepath.FromSlash(path))
}

func (f files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		bytes, err := ioutil.ReadFile(f.path(tile))
		if err != nil {
			return nil, err
		}
		all = append(all, bytes)
	}
	return all, nil
}

func (f files) SaveTiles(tiles []tlog.Tile, data [][]byte) {}

func main() {
	folder, keyText := os.Args[1], os.Args[2]
	key, err := note.NewVerifier(keyText)
	check(err)
	tree := openTree(filepath.Join(folder, "checkpoint"), key)
	reader := tlog.TileHashReader(tree, files{folder})
	root, err := tlog.TreeHash(tree.N, reader)
	check(err)
	if root != tree.Hash {
		refuse("the tiles make the root %v, the checkpoint has %v", root, tree.Hash)
	}
	if len(os.Args) > 3 {
		older := openTree(os.Args[3], key)
		proof, err := tlog.ProveTree(tree.N, older.N, reader)
		check(err)
		check(tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash))
	}
	records := 0
	for number := int64(0); number*256 < tree.N; number++ {
		width := int(tree.N - number*256)
		if width > 256 {
			width = 256
		}
		tile := tlog.Tile{H: 8, L: -1, N: number, W: width}
		bytes, err := ioutil.ReadFile(files{folder}.path(tile))
		check(err)
		for len(bytes) >= 2 {
			length := int(binary.BigEndian.Uint16(bytes))
			if len(bytes) < 2+length {
				refuse("the entries end within a leaf")
			}
			leaf := bytes[2 : 2+length]
			bytes = bytes[2+length:]
			proof, err := tlog.ProveRecord(tree.N, int64(records), reader)
			check(err)
			check(tlog.CheckRecord(proof, tree.N, tree.Hash, int64(records), tlog.RecordHash(leaf)))
			records++
		}
	}
	if int64(records) != tree.N {
		refuse("%d leaves in the entries, %d in the checkpoint", records, tree.N)
	}
	fmt.Println("accepted", records, "leaves")
}
