package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiextv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

const (
	meshNamespace = "chaos-mesh"
	// PodChaos' pod-failure puts this image in a pod's containers; a pod that
	// has it is never ready, see stages/.
	pauseImage = "lab.brunt.dev/pause:1"
)

// meshWebhooks are the kinds that the controller defaults and validates, and
// their resources. Left out are those that only the controller itself writes.
var meshWebhooks = map[string]string{
	"podchaos": "podchaos", "networkchaos": "networkchaos", "stresschaos": "stresschaos", "iochaos": "iochaos",
	"timechaos": "timechaos", "httpchaos": "httpchaos", "dnschaos": "dnschaos", "kernelchaos": "kernelchaos",
	"jvmchaos": "jvmchaos", "blockchaos": "blockchaos", "awschaos": "awschaos", "gcpchaos": "gcpchaos",
	"azurechaos": "azurechaos", "physicalmachinechaos": "physicalmachinechaos",
	"schedule": "schedules", "workflow": "workflows", "statuscheck": "statuschecks",
}

// startChaosMesh runs the real chaos-controller-manager and the fake of its
// daemon as processes, and tells the API server of them.
func (l *lab) startChaosMesh(ctx context.Context) error {
	programs, err := besideUs("chaos-mesh")
	if err != nil {
		return err
	}
	hook, metrics, daemon := l.ports.MeshHook, l.ports.MeshMetrics, l.ports.MeshDaemon

	fake := exec.Command(filepath.Join(programs, "chaos-daemon-fake"),
		"-listen", net.JoinHostPort("127.0.0.1", strconv.Itoa(daemon)),
		"-lab", fmt.Sprintf("http://127.0.0.1:%d/daemon", l.ports.Control))
	if err := l.child("chaos-daemon-fake", fake); err != nil {
		return err
	}
	certs := filepath.Join(l.dir, "chaos-mesh")
	if err := os.MkdirAll(certs, 0o700); err != nil {
		return fmt.Errorf("make folder for certificates: %w", err)
	}
	if _, _, err := l.ca.issue(certs, "tls"); err != nil {
		return err
	}
	if err := l.announceDaemon(ctx); err != nil {
		return err
	}
	controller := exec.Command(filepath.Join(programs, "chaos-controller-manager"))
	controller.Env = append(os.Environ(),
		"KUBECONFIG="+l.innerKubeconfig, "CERTS_DIR="+certs,
		"WEBHOOK_HOST=127.0.0.1", "WEBHOOK_PORT="+strconv.Itoa(hook),
		"METRICS_HOST=127.0.0.1", "METRICS_PORT="+strconv.Itoa(metrics),
		"CHAOS_DAEMON_SERVICE_PORT="+strconv.Itoa(daemon), "BPFKI_PORT="+strconv.Itoa(daemon),
		"CHAOS_DNS_SERVICE_NAME=chaos-dns", "CHAOS_DNS_SERVICE_PORT="+strconv.Itoa(daemon),
		"NAMESPACE="+meshNamespace, "TEMPLATE_NAMESPACE="+meshNamespace, "CLUSTER_SCOPED=true",
		"ENABLE_LEADER_ELECTION=false", "SECURITY_MODE=false", "CHAOSD_SECURITY_MODE=false",
		"ALLOW_HOST_NETWORK_TESTING=true", "QPS=200", "BURST=400", "RPC_TIMEOUT=5s",
		"POD_FAILURE_PAUSE_IMAGE="+pauseImage, "DISABLE_SYNC=true",
	)
	if err := l.child("chaos-controller-manager", controller); err != nil {
		return err
	}
	if err := eventually(ctx, "Chaos Mesh's controller to listen", func() error {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(hook)))
		if err != nil {
			return err
		}
		return conn.Close()
	}); err != nil {
		return err
	}
	return l.announceWebhooks(ctx, hook)
}

// besideUs finds a folder that build.sh puts beside the lab's own program.
func besideUs(folder string) (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find what belongs to the lab: %w", err)
	}
	dir := filepath.Join(filepath.Dir(exe), folder)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("find what belongs to the lab: there is no %s; examples/lab/build.sh makes it", dir)
	}
	return dir, nil
}

// child runs a process that ends with the lab, and whose end ends the lab.
func (l *lab) child(name string, cmd *exec.Cmd) error {
	log, err := os.Create(filepath.Join(l.dir, name+".log"))
	if err != nil {
		return fmt.Errorf("create log: %w", err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	started, err := startTied(cmd)
	if err != nil {
		log.Close()
		return fmt.Errorf("start %s: %w", name, err)
	}
	l.children = append(l.children, cmd.Process.Pid)
	l.onClose(func() { _ = cmd.Process.Kill(); <-started.done })
	l.parts.Go(func() {
		defer log.Close()
		<-started.done
		l.end(fmt.Errorf("%s ended: %w; its log is %s", name, errors.Join(started.err, errEnded), log.Name()))
	})
	return nil
}

var errEnded = errors.New("it should have run as long as the lab")

// readMeshCRDs reads the definitions that build.sh makes.
func readMeshCRDs() ([]*apiextv1.CustomResourceDefinition, error) {
	programs, err := besideUs("chaos-mesh")
	if err != nil {
		return nil, err
	}
	return readDefinitions(filepath.Join(programs, "crds"), nil)
}

// announceDaemon makes the objects through which the controller finds a
// daemon on each node, and Chaos Mesh's DNS server.
func (l *lab) announceDaemon(ctx context.Context) error {
	core := l.client.CoreV1()
	if _, err := core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: meshNamespace}}, metav1.CreateOptions{}); made(err) != nil {
		return fmt.Errorf("create namespace %s: %w", meshNamespace, err)
	}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name: "chaos-daemon-fake", Namespace: meshNamespace,
			Labels: map[string]string{discoveryv1.LabelServiceName: "chaos-daemon"},
		},
		// Addresses of the IP types may not be loopback's; a name may.
		AddressType: discoveryv1.AddressTypeFQDN,
	}
	for i := range l.nodes {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{"127.0.0.1"}, NodeName: ptr.To(node(i).Name),
			Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)},
		})
	}
	if _, err := l.client.DiscoveryV1().EndpointSlices(meshNamespace).Create(ctx, slice, metav1.CreateOptions{}); made(err) != nil {
		return fmt.Errorf("create the daemon's endpoints: %w", err)
	}
	match := map[string]string{"app": "chaos-dns"}
	if _, err := core.Services(meshNamespace).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "chaos-dns"},
		Spec:       corev1.ServiceSpec{Selector: match, Ports: []corev1.ServicePort{{Port: 53, Protocol: corev1.ProtocolUDP}}},
	}, metav1.CreateOptions{}); made(err) != nil {
		return fmt.Errorf("create the DNS service: %w", err)
	}
	// A pod that nobody schedules, at the fake's address.
	pod, err := core.Pods(meshNamespace).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "chaos-dns-fake", Labels: match},
		Spec: corev1.PodSpec{
			SchedulerName: "nobody",
			Containers:    []corev1.Container{{Name: "dns", Image: "none"}},
		},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil // it has its place
	}
	if err != nil {
		return fmt.Errorf("create the DNS pod: %w", err)
	}
	pod.Status.Phase = corev1.PodRunning
	pod.Status.PodIP, pod.Status.PodIPs = "127.0.0.1", []corev1.PodIP{{IP: "127.0.0.1"}}
	if _, err := core.Pods(meshNamespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("place the DNS pod: %w", err)
	}
	return nil
}

// announceWebhooks has the API server ask the controller about its kinds.
func (l *lab) announceWebhooks(ctx context.Context, port int) error {
	mutate := &admissionv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "chaos-mesh-mutation"}}
	validate := &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "chaos-mesh-validation"}}
	for kind, resource := range meshWebhooks {
		client := func(verb string) admissionv1.WebhookClientConfig {
			return admissionv1.WebhookClientConfig{
				URL:      ptr.To(fmt.Sprintf("https://127.0.0.1:%d/%s-chaos-mesh-org-v1alpha1-%s", port, verb, kind)),
				CABundle: l.ca.pem,
			}
		}
		rules := []admissionv1.RuleWithOperations{{
			Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
			Rule:       admissionv1.Rule{APIGroups: []string{"chaos-mesh.org"}, APIVersions: []string{"v1alpha1"}, Resources: []string{resource}},
		}}
		mutate.Webhooks = append(mutate.Webhooks, admissionv1.MutatingWebhook{
			Name: "m" + kind + ".kb.io", ClientConfig: client("mutate"), Rules: rules, TimeoutSeconds: ptr.To[int32](5),
			SideEffects: ptr.To(admissionv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
		})
		validate.Webhooks = append(validate.Webhooks, admissionv1.ValidatingWebhook{
			Name: "v" + kind + ".kb.io", ClientConfig: client("validate"), Rules: rules, TimeoutSeconds: ptr.To[int32](5),
			SideEffects: ptr.To(admissionv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
		})
	}
	hooks := l.client.AdmissionregistrationV1()
	if _, err := hooks.MutatingWebhookConfigurations().Create(ctx, mutate, metav1.CreateOptions{}); made(err) != nil {
		return fmt.Errorf("create Chaos Mesh's webhooks: %w", err)
	}
	if _, err := hooks.ValidatingWebhookConfigurations().Create(ctx, validate, metav1.CreateOptions{}); made(err) != nil {
		return fmt.Errorf("create Chaos Mesh's webhooks: %w", err)
	}
	return nil
}
