// gomemcache as a driver: go <client> <dialect> <port>; see ../driver.ts
package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	"github.com/bradfitz/gomemcache/memcache"
)

// Set at the build: the sources do not tell it.
var version = "unknown"

func encode(body []byte) string {
	return base64.StdEncoding.EncodeToString(body)
}

func set(queue *memcache.Client, name string, body string) (string, error) {
	value, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		return "", err
	}
	err = queue.Set(&memcache.Item{Key: name, Value: value})
	if err == memcache.ErrNotStored {
		return "not stored", nil
	}
	return "stored", err
}

func get(queue *memcache.Client, name string) (string, error) {
	item, err := queue.Get(name)
	if err == memcache.ErrCacheMiss {
		return "none", nil
	}
	if err != nil {
		return "", err
	}
	return "body " + encode(item.Value), nil
}

func many(queue *memcache.Client, names []string) (string, error) {
	items, err := queue.GetMulti(names)
	answer := "many"
	for name, item := range items {
		answer += " " + name + "=" + encode(item.Value)
	}
	return answer, err
}

func remove(queue *memcache.Client, name string) (string, error) {
	err := queue.Delete(name)
	if err == memcache.ErrCacheMiss {
		return "missing", nil
	}
	return "deleted", err
}

func answer(queue *memcache.Client, command string, words []string) (string, error) {
	switch command {
	case "set":
		return set(queue, words[0], words[1])
	case "get":
		return get(queue, words[0])
	case "many":
		return many(queue, words)
	case "give":
		return "cannot it takes bytes only", nil
	case "delete":
		return remove(queue, words[0])
	case "stats":
		return "cannot it has no stats", nil
	}
	return "", fmt.Errorf("what is %s?", command)
}

func main() {
	queue := memcache.New("127.0.0.1:" + os.Args[3])
	input := bufio.NewReader(os.Stdin)
	fmt.Println("ready " + version)
	for {
		line, err := input.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		text, err := answer(queue, words[0], words[1:])
		if err != nil {
			text = "error " + strings.Join(strings.Fields(err.Error()), " ")
		}
		fmt.Println(text)
	}
}
