package main

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/inventory"
)

// What init writes for a namespace is a scenario that can be played.
func TestStarterFromClusterIsWhole(t *testing.T) {
	everything := func(map[string]string) bool { return true }
	n := inventory.Namespace{
		Name: "shop-2",
		Workloads: []inventory.Workload{
			{Kind: "Deployment", Name: "web", Replicas: 2, Labels: map[string]string{"app": "web", "tier": "front"}},
			{Kind: "StatefulSet", Name: "2nd-db", Replicas: 1, Labels: map[string]string{"app": "db"}},
			{Kind: "Deployment", Name: "off", Labels: map[string]string{"app": "off"}}, // scaled to zero: nothing to kill
		},
		Autoscalers: []inventory.Autoscaler{{Name: "web", Target: "Deployment/web", Min: 2, Max: 9}},
		Services: []inventory.Service{
			{Name: "web", Match: everything, Port: 80, HTTP: true},
			{Name: "admin-ui", Match: everything, Port: 8080, HTTP: true},
			{Name: "db", Match: everything, Port: 5432},
		},
	}
	text, err := n.Starter()
	if err != nil {
		t.Fatal(err)
	}
	scenario, err := scenarios.Parse("starter.yaml", text, kinds(), scenarios.Options{Dir: "."})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	plan, err := scenario.Compile(nil, placeholderEnv(scenario))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(plan.Loads) != 2 || len(plan.Faults) != 2 || len(plan.Probes) != 1 || plan.Kubernetes.Namespace != "shop-2" || plan.MaxTargets != 1 {
		t.Errorf("%d loads, %d faults, %d probes\n%s", len(plan.Loads), len(plan.Faults), len(plan.Probes), text)
	}
}

// Objects as the API server has them.
func TestInventoryOfObjects(t *testing.T) {
	read := func(into any, text string) {
		t.Helper()
		if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	var d appsv1.Deployment
	read(&d, `
metadata: {name: web}
spec:
  template:
    metadata: {labels: {app: web}}
    spec:
      topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]
      containers:
      - {name: a, resources: {limits: {cpu: "1"}}, readinessProbe: {httpGet: {port: 80}, initialDelaySeconds: 5}}
      - {name: b, resources: {requests: {memory: 1Mi}}, readinessProbe: {httpGet: {port: 80}}}
      - {name: c, readinessProbe: {httpGet: {port: 80}}, startupProbe: {httpGet: {port: 80}}}`)
	w := workloadOf("Deployment", d.ObjectMeta, d.Spec.Replicas, d.Spec.Template)
	if w.Replicas != 1 || !w.Spread || w.Labels["app"] != "web" { // one is the API's default
		t.Errorf("got %+v", w)
	}
	for i, want := range []inventory.Container{
		{Name: "a", CPU: true, Readiness: true, Delayed: true}, // a limit stands for the request
		{Name: "b", Memory: true, Readiness: true},
		{Name: "c", Readiness: true, Delayed: true},
	} {
		if w.Containers[i] != want {
			t.Errorf("got %+v, want %+v", w.Containers[i], want)
		}
	}

	var h autoscalingv2.HorizontalPodAutoscaler
	read(&h, `
metadata: {name: web}
spec:
  scaleTargetRef: {kind: Deployment, name: web}
  maxReplicas: 9
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}
  - {type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 1Gi}}}
  behavior: {scaleDown: {stabilizationWindowSeconds: 90}}
status:
  currentReplicas: 4
  conditions:
  - {type: AbleToScale, status: "True"}
  - {type: ScalingActive, status: "False", message: no metrics}
  - {type: ScalingLimited, status: "False", message: within bounds}`)
	a := autoscalerOf(h)
	// An average value needs no request, and a limit not reached is no failure.
	if a.Target != "Deployment/web" || a.Min != 1 || a.Max != 9 || a.Current != 4 || !a.OnCPU || a.OnMemory ||
		a.ScaleDown != 90*time.Second || len(a.Failing) != 1 || a.Failing[0] != "ScalingActive: no metrics" {
		t.Errorf("got %+v", a)
	}

	for _, row := range []struct {
		spec  policyv1.PodDisruptionBudgetSpec
		never bool
	}{
		{policyv1.PodDisruptionBudgetSpec{MaxUnavailable: at("0")}, true},
		{policyv1.PodDisruptionBudgetSpec{MaxUnavailable: at("0%")}, true},
		{policyv1.PodDisruptionBudgetSpec{MaxUnavailable: at("1%")}, false}, // rounded up
		{policyv1.PodDisruptionBudgetSpec{MaxUnavailable: at("1")}, false},
		{policyv1.PodDisruptionBudgetSpec{MinAvailable: at("100%")}, true},
		{policyv1.PodDisruptionBudgetSpec{MinAvailable: at("3")}, true},
		{policyv1.PodDisruptionBudgetSpec{MinAvailable: at("2")}, false},
		{policyv1.PodDisruptionBudgetSpec{MinAvailable: at("70%")}, true}, // three of three
	} {
		row.spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
		b, err := budgetOf(policyv1.PodDisruptionBudget{Spec: row.spec, Status: policyv1.PodDisruptionBudgetStatus{ExpectedPods: 3}})
		if err != nil || b.Never != row.never || !b.Match(map[string]string{"app": "web", "x": "y"}) || b.Match(nil) {
			t.Errorf("%v, %v: got %+v, %v", row.spec.MaxUnavailable, row.spec.MinAvailable, b, err)
		}
	}

	var s corev1.Service
	for text, want := range map[string]bool{
		"spec: {selector: {app: web}, ports: [{port: 80}]}":                       true,
		"spec: {selector: {app: web}, ports: [{port: 3000, name: http}]}":         true,
		"spec: {selector: {app: web}, ports: [{port: 3000, appProtocol: http}]}":  true,
		"spec: {selector: {app: web}, ports: [{port: 5432, name: postgres}]}":     false,
		"spec: {selector: {app: web}, ports: [{port: 6379, appProtocol: redis}]}": false,
	} {
		s = corev1.Service{}
		read(&s, text)
		if got := serviceOf(s); got.HTTP != want || !got.Match(map[string]string{"app": "web"}) {
			t.Errorf("%s: got %+v", text, got)
		}
	}
}

func at(s string) *intstr.IntOrString {
	v := intstr.Parse(s)
	return &v
}
