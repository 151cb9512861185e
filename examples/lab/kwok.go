package main

import (
	"context"
	"embed"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	nodeheartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	"sigs.k8s.io/kwok/pkg/client/clientset/versioned"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	kwokctr "sigs.k8s.io/kwok/pkg/kwok/controllers"
	kwoklog "sigs.k8s.io/kwok/pkg/log"
	kwokclient "sigs.k8s.io/kwok/pkg/utils/client"
)

// stages are how a simulated pod lives.
//
//go:embed stages
var stages embed.FS

// startKwok plays kubelet for the simulated nodes, and makes them.
func (l *lab) startKwok(ctx context.Context) error {
	set, err := kwokclient.NewClientset("", l.innerKubeconfig)
	if err != nil {
		return fmt.Errorf("set up kwok: %w", err)
	}
	cfg, err := set.ToRESTConfig()
	if err != nil {
		return fmt.Errorf("set up kwok: %w", err)
	}
	cfg.QPS = -1
	c := kwokctr.Config{
		Clock: clock.RealClock{}, ID: "lab",
		ManageNodesWithAnnotationSelector: "kwok.x-k8s.io/node=fake",
		CIDR:                              "10.244.0.0/16", NodeIP: "10.0.0.1",
		ImpersonatingDynamicClient: set.ToImpersonatingDynamicClient(),
		ImpersonatingTypedClient:   set.ToImpersonatingTypedClient(),
		PodPlayStageParallelism:    16, NodePlayStageParallelism: 16,
		// Renewed every quarter of it: well inside the controllers' grace of 30 s.
		NodeLeaseParallelism: 4, NodeLeaseDurationSeconds: 8,
		PodsOnNodeSyncParallelism: 4, EnablePodsOnNodeSyncListPager: true,
	}
	if c.DynamicClient, err = dynamic.NewForConfig(cfg); err != nil {
		return fmt.Errorf("set up kwok: %w", err)
	}
	if c.RESTMapper, err = set.ToRESTMapper(); err != nil {
		return fmt.Errorf("set up kwok: %w", err)
	}
	if c.RESTClient, err = rest.RESTClientFor(cfg); err != nil {
		return fmt.Errorf("set up kwok: %w", err)
	}
	if c.TypedClient, err = kubernetes.NewForConfig(cfg); err != nil {
		return fmt.Errorf("set up kwok: %w", err)
	}
	if c.TypedKwokClient, err = versioned.NewForConfig(cfg); err != nil {
		return fmt.Errorf("set up kwok: %w", err)
	}
	if c.LocalStages, err = readStages(); err != nil {
		return err
	}
	controller, err := kwokctr.NewController(c)
	if err != nil {
		return fmt.Errorf("set up kwok: %w", err)
	}
	ctx = kwoklog.NewContext(ctx, kwoklog.NewLogger(l.log, kwoklog.LevelWarn))
	if err := controller.Start(ctx); err != nil {
		return fmt.Errorf("start kwok: %w", err)
	}
	for i := range l.nodes {
		if _, err := l.client.CoreV1().Nodes().Create(ctx, node(i), metav1.CreateOptions{}); made(err) != nil {
			return fmt.Errorf("create node %d: %w", i, err)
		}
	}
	return nil
}

func readStages() (map[internalversion.StageResourceRef][]*internalversion.Stage, error) {
	texts := []string{nodefast.DefaultNodeInit, nodeheartbeat.DefaultNodeHeartbeatWithLease, podfast.DefaultPodDelete}
	files, err := stages.ReadDir("stages")
	if err != nil {
		return nil, fmt.Errorf("read stages: %w", err)
	}
	for _, f := range files {
		b, err := stages.ReadFile("stages/" + f.Name())
		if err != nil {
			return nil, fmt.Errorf("read stages: %w", err)
		}
		texts = append(texts, string(b))
	}
	all := map[internalversion.StageResourceRef][]*internalversion.Stage{}
	for _, text := range texts {
		s, err := kwokconfig.UnmarshalWithType[*internalversion.Stage](text)
		if err != nil {
			return nil, fmt.Errorf("read stages: %w", err)
		}
		all[s.Spec.ResourceRef] = append(all[s.Spec.ResourceRef], s)
	}
	return all, nil
}

// node is the i-th simulated node; they are dealt out over three zones.
func node(i int) *corev1.Node {
	zone := string("abc"[i%3])
	name := fmt.Sprintf("node-%s-%d", zone, i/3)
	size := corev1.ResourceList{
		"cpu": resource.MustParse("16"), "memory": resource.MustParse("64Gi"), "pods": resource.MustParse("1100"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"},
			Labels: map[string]string{
				"type": "kwok", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
				"topology.kubernetes.io/region": "lab", "topology.kubernetes.io/zone": "lab-" + zone,
				"node.kubernetes.io/instance-type": "simulated-16",
			},
		},
		Status: corev1.NodeStatus{Allocatable: size, Capacity: size},
	}
}

// waitNodes returns once every node is ready and pods can be made in the
// default namespace.
func (l *lab) waitNodes(ctx context.Context) error {
	return eventually(ctx, "the nodes to be ready", func() error {
		list, err := l.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		ready := 0
		for _, n := range list.Items {
			for _, c := range n.Status.Conditions {
				if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
					ready++
				}
			}
		}
		if ready < l.nodes {
			return fmt.Errorf("%d of %d are", ready, l.nodes)
		}
		_, err = l.client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}
