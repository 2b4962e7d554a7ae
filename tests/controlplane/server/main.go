// Command server is a Kubernetes control plane in one process: an embedded etcd and the real kube-apiserver.
//
// Its arguments are those of kube-apiserver. CONTROLPLANE_ETCD_DIR and CONTROLPLANE_ETCD_URL (http://127.0.0.1:PORT) say
// where the embedded etcd keeps its data and listens.
package main

import (
	"log"
	"net/url"
	"os"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	client, err := url.Parse(os.Getenv("CONTROLPLANE_ETCD_URL"))
	if err != nil {
		log.Fatal(err)
	}
	config := embed.NewConfig()
	config.Dir = os.Getenv("CONTROLPLANE_ETCD_DIR")
	config.LogLevel = "error"
	config.UnsafeNoFsync = true // a test's data is thrown away with it
	config.ListenClientUrls = []url.URL{*client}
	config.AdvertiseClientUrls = config.ListenClientUrls
	config.ListenPeerUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		log.Fatal(err)
	}
	<-etcd.Server.ReadyNotify()

	command := app.NewAPIServerCommand()
	command.SetArgs(append([]string{"--etcd-servers=" + client.String()}, os.Args[1:]...))
	code := cli.Run(command)
	etcd.Close()
	os.Exit(code)
}
