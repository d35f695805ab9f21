// Probe is what tests run in pods: `probe serve` answers with its host name on port 8080,
// `probe get URL` prints an answer, asking the API server as the pod's ServiceAccount.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"
)

const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		serve()
	case len(os.Args) == 3 && os.Args[1] == "get":
		get(os.Args[2])
	default:
		log.Fatal("usage: probe serve | probe get URL")
	}
}

func serve() {
	name, err := os.Hostname()
	check(err)
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(answer, name)
	})
	log.Printf("%s serves as uid %d", name, os.Getuid())
	check(http.ListenAndServe(":8080", nil))
}

func get(url string) {
	client := http.Client{Timeout: 5 * time.Second}
	request, err := http.NewRequest(http.MethodGet, url, nil)
	check(err)
	if strings.HasPrefix(url, "https:") {
		authority, err := os.ReadFile(account + "ca.crt")
		check(err)
		token, err := os.ReadFile(account + "token")
		check(err)
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(authority)
		client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
		request.Header.Set("Authorization", "Bearer "+string(token))
	}
	answer, err := client.Do(request)
	check(err)
	defer answer.Body.Close()
	_, err = io.Copy(os.Stdout, answer.Body)
	check(err)
	if answer.StatusCode != http.StatusOK {
		log.Fatal(answer.Status)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
