// Chaos-daemon-fake stands where Chaos Mesh's daemon would, for the real
// chaos-controller-manager to call, and where its kernel and DNS helpers would: simulated pods have no kernel to break. It
// does nothing itself. It asks the lab about every call, and the lab lets it
// succeed (with what effect on the simulated pods it can have) or fail.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"

	"github.com/chaos-mesh/chaos-mesh/pkg/chaosdaemon/pb"
	kernelpb "github.com/chaos-mesh/chaos-mesh/pkg/chaoskernel/pb"
	dnspb "github.com/chaos-mesh/k8s_dns_chaos/pb"
)

func main() {
	listen := flag.String("listen", "", "HOST:PORT to serve gRPC on")
	lab := flag.String("lab", "", "URL of the lab's daemon control; each call is posted to URL/METHOD as JSON")
	flag.Parse()
	if err := run(*listen, *lab); err != nil {
		fmt.Fprintf(os.Stderr, "chaos-daemon-fake: %v\n", err)
		os.Exit(1)
	}
}

func run(listen, lab string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	client := &http.Client{Timeout: 30 * time.Second}
	s := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if err := ask(ctx, client, lab+"/"+path.Base(info.FullMethod), req); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}))
	pb.RegisterChaosDaemonServer(s, daemon{})
	kernelpb.RegisterBPFKIServiceServer(s, &kernel{})
	dnspb.RegisterDNSServer(s, dns{})
	if err := s.Serve(l); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// ask returns the error that the lab wants the call to end with.
func ask(ctx context.Context, client *http.Client, url string, req any) error {
	var m proto.Message
	switch req := req.(type) {
	case proto.Message:
		m = req
	case protoadapt.MessageV1:
		m = protoadapt.MessageV2Of(req)
	default:
		return status.Errorf(codes.Internal, "%T is no message", req)
	}
	body, err := protojson.Marshal(m)
	if err != nil {
		return status.Errorf(codes.Internal, "encode the call: %v", err)
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return status.Errorf(codes.Internal, "ask the lab: %v", err)
	}
	resp, err := client.Do(post)
	if err != nil {
		return status.Errorf(codes.Unavailable, "ask the lab: %v", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return status.Errorf(codes.Unavailable, "ask the lab: %v", err)
	}
	if resp.StatusCode != http.StatusOK {
		return status.Errorf(codes.Internal, "%s", bytes.TrimSpace(text))
	}
	return nil
}
