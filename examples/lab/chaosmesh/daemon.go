package main

import (
	"context"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/chaos-mesh/chaos-mesh/pkg/chaosdaemon/pb"
	kernelpb "github.com/chaos-mesh/chaos-mesh/pkg/chaoskernel/pb"
	dnspb "github.com/chaos-mesh/k8s_dns_chaos/pb"
)

// daemon answers what a daemon answers when all went well. The made-up values
// are handed back by the controller when it recovers.
type daemon struct {
	pb.UnimplementedChaosDaemonServer
}

var done = &emptypb.Empty{}

func (daemon) SetTcs(context.Context, *pb.TcsRequest) (*emptypb.Empty, error) { return done, nil }

func (daemon) FlushIPSets(context.Context, *pb.IPSetsRequest) (*emptypb.Empty, error) {
	return done, nil
}

func (daemon) SetIptablesChains(context.Context, *pb.IptablesChainsRequest) (*emptypb.Empty, error) {
	return done, nil
}

func (daemon) SetTimeOffset(context.Context, *pb.TimeRequest) (*emptypb.Empty, error) {
	return done, nil
}

func (daemon) RecoverTimeOffset(context.Context, *pb.TimeRequest) (*emptypb.Empty, error) {
	return done, nil
}

func (daemon) ContainerKill(context.Context, *pb.ContainerRequest) (*emptypb.Empty, error) {
	return done, nil
}

func (daemon) ContainerGetPid(context.Context, *pb.ContainerRequest) (*pb.ContainerResponse, error) {
	return &pb.ContainerResponse{Pid: 4242}, nil
}

func (daemon) ExecStressors(context.Context, *pb.ExecStressRequest) (*pb.ExecStressResponse, error) {
	return &pb.ExecStressResponse{CpuInstance: "1", CpuStartTime: 1, CpuInstanceUid: "fake", MemoryInstance: "2", MemoryStartTime: 1, MemoryInstanceUid: "fake"}, nil
}

func (daemon) CancelStressors(context.Context, *pb.CancelStressRequest) (*emptypb.Empty, error) {
	return done, nil
}

func (daemon) ApplyIOChaos(context.Context, *pb.ApplyIOChaosRequest) (*pb.ApplyIOChaosResponse, error) {
	return &pb.ApplyIOChaosResponse{Instance: 1, StartTime: 1, InstanceUid: "fake"}, nil
}

func (daemon) ApplyHttpChaos(context.Context, *pb.ApplyHttpChaosRequest) (*pb.ApplyHttpChaosResponse, error) {
	return &pb.ApplyHttpChaosResponse{Instance: 1, StartTime: 1, InstanceUid: "fake", StatusCode: 200}, nil
}

func (daemon) ApplyBlockChaos(context.Context, *pb.ApplyBlockChaosRequest) (*pb.ApplyBlockChaosResponse, error) {
	return &pb.ApplyBlockChaosResponse{InjectionId: 1}, nil
}

func (daemon) RecoverBlockChaos(context.Context, *pb.RecoverBlockChaosRequest) (*emptypb.Empty, error) {
	return done, nil
}

func (daemon) SetDNSServer(context.Context, *pb.SetDNSServerRequest) (*emptypb.Empty, error) {
	return done, nil
}

func (daemon) InstallJVMRules(context.Context, *pb.InstallJVMRulesRequest) (*emptypb.Empty, error) {
	return done, nil
}

func (daemon) UninstallJVMRules(context.Context, *pb.UninstallJVMRulesRequest) (*emptypb.Empty, error) {
	return done, nil
}

// kernel stands for bpfki, which KernelChaos calls.
type kernel struct {
	kernelpb.UnimplementedBPFKIServiceServer
}

func (kernel) FailMMOrBIO(context.Context, *kernelpb.FailKernRequest) (*kernelpb.StatusResponse, error) {
	return &kernelpb.StatusResponse{}, nil
}

func (kernel) RecoverMMOrBIO(context.Context, *kernelpb.FailKernRequest) (*kernelpb.StatusResponse, error) {
	return &kernelpb.StatusResponse{}, nil
}

// dns stands for Chaos Mesh's DNS server, which DNSChaos calls.
type dns struct{}

func (dns) SetDNSChaos(context.Context, *dnspb.SetDNSChaosRequest) (*dnspb.DNSChaosResponse, error) {
	return &dnspb.DNSChaosResponse{Result: true}, nil
}

func (dns) CancelDNSChaos(context.Context, *dnspb.CancelDNSChaosRequest) (*dnspb.DNSChaosResponse, error) {
	return &dnspb.DNSChaosResponse{Result: true}, nil
}
