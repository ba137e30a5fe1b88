#!/usr/bin/env python3
"""Lints what is in deploy/: YAML against the Kubernetes schemas, the rules of the admission policies evaluated on pods that
must be refused, Dockerfiles, shell scripts, Python.

    deploy_lint.py
"""

from __future__ import annotations

import copy
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

import celpy
import kubernetes_validate
import yaml

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
# The oldest that the recipes say they need, and the newest whose schemas we have.
KUBERNETES = ("1.30", kubernetes_validate.latest_version())
PINNED = re.compile(r".+@sha256:[0-9a-f]{64}")


class StrictLoader(yaml.SafeLoader):
    """YAML as Kubernetes takes it, without members that are written twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        twice = {k for k in keys if keys.count(k) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"written twice: {twice}", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def documents(path: Path) -> list[dict[str, Any]]:
    return [d for d in yaml.load_all(path.read_text(), StrictLoader) if d is not None]


def manifests() -> list[tuple[Path, dict[str, Any]]]:
    found = [(p, d) for p in sorted(DEPLOY.rglob("*.yaml")) for d in documents(p) if p.name != "compose.yaml"]
    assert len(found) > 8, "deploy/ is not where it was"
    return found


def by_kind(kind: str, file: str) -> dict[str, Any]:
    (one,) = [d for d in documents(DEPLOY / file) if d["kind"] == kind]
    return one


def pod_specs(document: dict[str, Any]) -> list[dict[str, Any]]:
    template = document.get("spec", {}).get("template")
    return [template["spec"]] if template else []


def everything(value: Any, name: str) -> list[Any]:
    """The values of all members called `name`, at any depth."""
    if isinstance(value, dict):
        own = [value[name]] if name in value else []
        return own + [x for v in value.values() for x in everything(v, name)]
    return [x for v in value for x in everything(v, name)] if isinstance(value, list) else []


class Manifests(unittest.TestCase):
    def test_built_in_kinds_are_what_kubernetes_takes(self) -> None:
        checked = 0
        for path, document in manifests():
            if document["apiVersion"].startswith("serving.kserve.io/"):
                continue
            for version in KUBERNETES:
                with self.subTest(file=path.name, kind=document["kind"], kubernetes=version):
                    kubernetes_validate.validate(document, version, strict=True)
                    checked += 1
        self.assertGreater(checked, 10)

    def test_a_mistake_would_be_seen(self) -> None:
        wrong = by_kind("Deployment", "kubernetes/init-container.yaml")
        wrong["spec"]["template"]["spec"]["initContainers"][0]["volumeMounts"][0]["readonly"] = True
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, KUBERNETES[1], strict=True)
        with self.assertRaises(yaml.constructor.ConstructorError):
            yaml.load("a: {b: 1, b: 2}", StrictLoader)

    def test_containers_are_confined(self) -> None:
        for path, document in manifests():
            for spec in pod_specs(document):
                self.assertIs(spec.get("automountServiceAccountToken"), False, path)
                self.assertIs(spec["securityContext"]["runAsNonRoot"], True, path)
                for container in spec.get("initContainers", []) + spec["containers"]:
                    with self.subTest(file=path.name, container=container["name"]):
                        security = container["securityContext"]
                        self.assertIs(security["allowPrivilegeEscalation"], False)
                        self.assertEqual(security["capabilities"], {"drop": ["ALL"]})
                        self.assertIs(security["readOnlyRootFilesystem"], True)
                        self.assertIn("memory", container["resources"]["limits"])

    def test_who_verifies_says_why_it_refused(self) -> None:
        seen = 0
        for path, document in manifests():
            for containers in everything(document, "initContainers"):
                for container in containers:
                    self.assertEqual(container["terminationMessagePolicy"], "File", path)
                    seen += 1
        self.assertGreaterEqual(seen, 2)

    def test_the_model_is_read_only_to_everybody_else(self) -> None:
        for path, document in manifests():
            for spec in pod_specs(document):
                for container in spec["containers"]:
                    for mount in container.get("volumeMounts", []):
                        if mount["name"] == "verified-models" and container["name"] != "loader":
                            self.assertIs(mount.get("readOnly"), True, (path, container["name"]))

    def test_nothing_secret_is_written_down(self) -> None:
        for path, document in manifests():
            for env in everything(document, "env"):
                for variable in env:
                    name = variable["name"].lower()
                    secret = any(word in name for word in ("secret", "token", "password", "key"))
                    self.assertFalse(secret and "value" in variable and not name.endswith("_file"), (path, name))

    def test_images_are_pinned(self) -> None:
        for path in sorted(DEPLOY.rglob("*.yaml")):
            if path.name == "indexed-job.yaml":
                continue  # Its image is said to be the reader's own.
            for document in documents(path):
                for image in everything(document, "image"):
                    self.assertRegex(image, PINNED, path)

    def test_a_shell_is_there_where_one_is_asked_for(self) -> None:
        seen = 0
        for _, document in manifests():
            for spec in pod_specs(document):
                for container in spec["containers"]:
                    if container.get("command", [""])[0].endswith("/sh"):
                        # Only this image of ours has one, and it is busybox'.
                        self.assertRegex(container["image"], r"/modelseal-init:")
                        self.assertEqual(container["command"][0], "/busybox/sh")
                        seen += 1
        self.assertEqual(seen, 2)
        dockerfile = (DEPLOY / "docker/Dockerfile").read_text()
        self.assertIn('ENTRYPOINT ["/busybox/sh", ', dockerfile.partition(" AS init\n")[2])

    def test_compose(self) -> None:
        (document,) = documents(DEPLOY / "docker/compose.yaml")
        services = document["services"]
        self.assertEqual(services["server"]["depends_on"], {"modelseal": {"condition": "service_completed_successfully"}})
        self.assertIs(services["modelseal"]["read_only"], True)
        self.assertTrue(all(v["read_only"] for v in services["server"]["volumes"]))
        self.assertEqual([v.get("read_only", False) for v in services["modelseal"]["volumes"]], [True, False])

    def test_kserve(self) -> None:
        storage = by_kind("ClusterStorageContainer", "kserve/clusterstoragecontainer.yaml")["spec"]
        self.assertEqual(set(storage), {"workloadType", "container", "supportedUriFormats"})
        self.assertEqual(storage["workloadType"], "initContainer")
        # KServe finds the init container by this name.
        self.assertEqual(storage["container"]["name"], "storage-initializer")
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [storage["container"]]}}
        kubernetes_validate.validate(pod, KUBERNETES[1], strict=True)
        prefixes = [f["prefix"] for f in storage["supportedUriFormats"]]
        service = by_kind("InferenceService", "kserve/inferenceservice.yaml")["spec"]["predictor"]
        self.assertTrue(service["model"]["storageUri"].startswith(tuple(prefixes)))
        # Where KServe takes the image without the ClusterStorageContainer, nobody else says which policies.
        (policies,) = [e["value"] for e in storage["container"]["env"] if e["name"] == "MODELSEAL_POLICIES"]
        self.assertIn(f"ENV MODELSEAL_POLICIES={policies}\n", (DEPLOY / "kserve/Dockerfile").read_text())
        self.assertIn(".data.storageInitializer |= (fromjson | .image = $image | tojson)", (DEPLOY / "kserve/README.md").read_text())


class Admission(unittest.TestCase):
    """The expressions of the admission policy, run on pods by an evaluator of CEL that is not Kubernetes' own."""

    def setUp(self) -> None:
        self.policy = by_kind("ValidatingAdmissionPolicy", "kubernetes/admission.yaml")["spec"]
        self.params = by_kind("ConfigMap", "kubernetes/admission.yaml")
        template = by_kind("Deployment", "kubernetes/init-container.yaml")["spec"]["template"]
        self.pod = {"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]}

    def evaluate(self, expression: str, given: dict[str, Any]) -> Any:
        environment = celpy.Environment()
        return environment.program(environment.compile(expression)).evaluate(given)

    def refusals(self, pod: dict[str, Any]) -> list[str]:
        kubernetes_validate.validate(pod, KUBERNETES[1], strict=True)
        given = {"object": celpy.json_to_cel(pod), "params": celpy.json_to_cel(self.params)}
        variables = celpy.celtypes.MapType()
        for variable in self.policy["variables"]:
            variables[celpy.celtypes.StringType(variable["name"])] = self.evaluate(
                variable["expression"], given | {"variables": variables}
            )
        given["variables"] = variables
        said = []
        for validation in self.policy["validations"]:
            # An error in an expression refuses, too (failurePolicy: Fail); here it would hide a mistake.
            if not bool(self.evaluate(validation["expression"], given)):
                said.append(validation.get("message") or str(self.evaluate(validation["messageExpression"], given)))
        return said

    def test_closed_and_for_whole_namespaces(self) -> None:
        self.assertEqual(self.policy["failurePolicy"], "Fail")
        self.assertEqual([c["name"] for c in self.policy["matchConditions"]], ["created-or-changed"])
        binding = by_kind("ValidatingAdmissionPolicyBinding", "kubernetes/admission.yaml")["spec"]
        self.assertEqual(binding["validationActions"], ["Deny"])
        self.assertEqual(binding["paramRef"]["parameterNotFoundAction"], "Deny")
        self.assertEqual(set(binding["matchResources"]), {"namespaceSelector"})
        (rule,) = self.policy["matchConstraints"]["resourceRules"]
        self.assertEqual(rule["operations"], ["CREATE", "UPDATE"])
        self.assertIn("pods/ephemeralcontainers", rule["resources"])

    def test_our_own_pod_is_admitted(self) -> None:
        self.assertEqual(self.refusals(self.pod), [])

    def test_what_is_harmless_is_admitted(self) -> None:
        for what, change in (
            ("defaults", "g['terminationMessagePath'] = '/dev/termination-log'"),
            ("no termination message path", "del g['terminationMessagePath']"),
            ("configuration", "s['volumes'].append({'name': 'c', 'configMap': {'name': 'x'}}); server['volumeMounts'].append({'name': 'c', 'mountPath': '/etc/..c/.d'})"),
            ("a neighbour of the models", "server['volumeMounts'].append({'name': 'tmp', 'mountPath': '/models-cache'})"),
            ("a debugger of the server", "s['ephemeralContainers'] = [{'name': 'd', 'image': 'x', 'targetContainerName': 'server'}]"),
        ):
            with self.subTest(what):
                pod = copy.deepcopy(self.pod)
                spec = pod["spec"]
                exec(change, {"s": spec, "g": spec["initContainers"][0], "server": spec["containers"][0]})
                self.assertEqual(self.refusals(pod), [])

    def test_triton_is_admitted_without_its_loader(self) -> None:
        template = by_kind("Deployment", "triton/deployment.yaml")["spec"]["template"]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]}
        self.assertTrue(any("readOnly: true" in r for r in self.refusals(pod)))
        pod["spec"]["containers"] = [c for c in pod["spec"]["containers"] if c["name"] != "loader"]
        self.assertEqual(self.refusals(pod), [])

    def test_older_pods_can_be_patched_but_not_changed(self) -> None:
        (condition,) = self.policy["matchConditions"]
        old = copy.deepcopy(self.pod)
        del old["spec"]["initContainers"]
        labelled = copy.deepcopy(old)
        labelled["metadata"]["labels"] = {"more": "labels"}
        changed = copy.deepcopy(old)
        changed["spec"]["containers"][0]["image"] = "registry.example/other:1"
        for operation, now, before, judged in (
            ("CREATE", old, None, True),
            ("UPDATE", labelled, old, False),
            ("UPDATE", changed, old, True),
        ):
            given = {"request": {"operation": operation}, "object": now, "oldObject": before}
            self.assertEqual(bool(self.evaluate(condition["expression"], {k: celpy.json_to_cel(v) for k, v in given.items()})), judged)

    def test_everything_else_is_refused(self) -> None:
        evil: dict[str, Any] = {"name": "evil", "image": "registry.example/evil:1"}
        rw = {"name": "verified-models", "mountPath": "/m"}
        cases: list[tuple[str, str, str]] = [
            ("no gate", "del s['initContainers']", "the first init container"),
            ("a gate after another", "s['initContainers'].insert(0, evil)", "the first init container"),
            ("two gates", "s['initContainers'].append(dict(g))", "the first init container"),
            ("another image", "g['image'] = 'registry.example/models-init:1'", "must have the image"),
            ("another command", "g['command'] = ['/busybox/true']", "no command"),
            ("another program", "g['env'] = [{'name': 'MODELSEAL', 'value': '/bin/true'}]", "no command"),
            ("environment from elsewhere", "g['envFrom'] = [{'configMapRef': {'name': 'x'}}]", "no command"),
            ("a sidecar that never ends", "g['restartPolicy'] = 'Always'", "no command"),
            ("a policy of one's own", "g['args'][3] = '/verified/policy.toml'", "the arguments"),
            ("a switch", "g['args'].append('--accept-unverified')", "the arguments"),
            ("a switch for a name", "g['args'][5] = '--policy-unsigned'", "the arguments"),
            ("no arguments", "del g['args']", "the arguments"),
            ("out of the volume", "g['args'][1] = '/verified/../tmp'", "the arguments"),
            ("another policy mounted", "g['volumeMounts'].append({'name': 'tmp', 'mountPath': '/etc/modelseal'})", "nothing else"),
            ("a source that is written to", "g['volumeMounts'][0]['readOnly'] = False", "read-only"),
            ("a part of the volume", "g['volumeMounts'][1]['subPath'] = 'x'", "nothing else"),
            ("a shared volume", "s['volumes'][1] = {'name': 'verified-models', 'persistentVolumeClaim': {'claimName': 'x'}}", "emptyDir"),
            ("nobody reads it", "del s['containers'][0]['volumeMounts'][0]", "must mount"),
            ("a writer", "s['containers'].append(evil | {'volumeMounts': [rw]})", "readOnly: true"),
            ("a writer before", "s['initContainers'].append(evil | {'volumeMounts': [rw]})", "readOnly: true"),
            ("the unverified model", "s['containers'].append(evil | {'volumeMounts': [{'name': 'model-source', 'mountPath': '/m'}]})", "not at all"),
            ("a debugger that writes", "s['ephemeralContainers'] = [evil | {'volumeMounts': [rw]}]", "debug containers"),
            ("one process namespace", "s['shareProcessNamespace'] = True", "shareProcessNamespace"),
            ("its processes", "s['hostPID'] = True", "hostPID"),
            ("a debugger of the gate", "s['ephemeralContainers'] = [evil | {'targetContainerName': 'modelseal'}]", "targetContainerName"),
            ("the script mounted over", "g['terminationMessagePath'] = '/usr/bin/modelseal-init'", "terminationMessagePath"),
            ("the policy mounted over", "g['terminationMessagePath'] = '/etc/modelseal/policy.toml'", "terminationMessagePath"),
            ("another directory to work in", "g['workingDir'] = '/model'", "workingDir"),
            ("a name from a variable", "g['args'][5] = '$(X_PORT)'", "the arguments"),
            ("a source elsewhere", "g['args'][0] = '/model/../verified'", "the arguments"),
            ("a hidden name", "g['args'][1] = '/verified/.modelseal-staging'", "the arguments"),
            ("the claim once more", "s['volumes'].append({'name': 'w', 'persistentVolumeClaim': {'claimName': 'models'}})", "volumes other than"),
            ("the node's files", "s['volumes'].append({'name': 'w', 'hostPath': {'path': '/var/lib/kubelet/pods'}})", "volumes other than"),
            ("an image", "s['volumes'].append({'name': 'w', 'image': {'reference': 'registry.example/evil:1'}})", "volumes other than"),
            ("a claim of the pod's", "s['volumes'].append({'name': 'w', 'ephemeral': {'volumeClaimTemplate': {'spec': {'accessModes': ['x'], 'resources': {}}}}})", "volumes other than"),
            ("a device", "server['volumeDevices'] = [{'name': 'model-source', 'devicePath': '/dev/x'}]", "volumeDevices"),
            ("a debugger's device", "s['ephemeralContainers'] = [evil | {'volumeDevices': [{'name': 'model-source', 'devicePath': '/dev/x'}]}]", "volumeDevices"),
            ("one file mounted into it", "s['volumes'].append({'name': 'w', 'configMap': {'name': 'x'}}); server['volumeMounts'].append({'name': 'w', 'mountPath': '/models/model/config.json', 'subPath': 'config.json'})", "over, into or around"),
            ("a volume mounted over it", "server['volumeMounts'][1]['mountPath'] = '/models'", "over, into or around"),
            ("a volume mounted around it", "server['volumeMounts'][0]['mountPath'] = '/tmp/models'", "over, into or around"),
            ("a path in disguise", "server['volumeMounts'][1]['mountPath'] = '/x/../models/model'", "absolute and plain"),
            ("a path that is relative", "server['volumeMounts'][1]['mountPath'] = 'models/model'", "absolute and plain"),
            ("two slashes", "server['volumeMounts'][1]['mountPath'] = '/models//model'", "absolute and plain"),
            ("a slash at the end", "server['volumeMounts'][0]['mountPath'] = '/models/'", "absolute and plain"),
            ("an annotation", "p['metadata']['annotations'] = {'storage.kserve.io/readonly': 'false'}", "annotation"),
        ]
        for what, change, expected in cases:
            with self.subTest(what):
                pod = copy.deepcopy(self.pod)
                spec = pod["spec"]
                exec(change, {"p": pod, "s": spec, "g": spec["initContainers"][0], "server": spec["containers"][0], "evil": copy.deepcopy(evil), "rw": dict(rw)})
                refusals = self.refusals(pod)
                self.assertTrue(any(expected in r for r in refusals), f"{what}: {refusals}")


class Dockerfiles(unittest.TestCase):
    files = sorted(p for p in DEPLOY.rglob("*Dockerfile"))

    def test_hadolint(self) -> None:
        self.assertGreaterEqual(len(self.files), 5)
        run = subprocess.run(["hadolint", "--no-color", "--failure-threshold", "style", *self.files], capture_output=True, text=True)
        self.assertEqual((run.returncode, run.stdout), (0, ""), run.stdout + run.stderr)

    def test_bases_are_pinned_and_nobody_is_root(self) -> None:
        for path in self.files:
            text = path.read_text()
            arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
            stages: set[str] = set()
            bases = re.findall(r"^FROM (\S+)(?: AS (\w+))?$", text, re.MULTILINE)
            self.assertTrue(bases, path)
            for base, name in bases:
                if base not in stages:
                    self.assertRegex(arguments[base.strip("${}")], PINNED, path)
                stages.add(name)
            users = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
            if path.name != "policy.Dockerfile":  # It keeps the user of its base.
                self.assertRegex(users[-1], r"^[1-9]\d*:[1-9]\d*$", path)


class Programs(unittest.TestCase):
    def test_shell(self) -> None:
        scripts = [p for p in sorted(DEPLOY.rglob("*")) if p.is_file() and p.read_bytes().startswith((b"#!/bin/sh", b"#!/usr/bin/env bash"))]
        self.assertGreaterEqual(len(scripts), 4)
        for script in scripts:
            with self.subTest(script.name):
                subprocess.run(["bash", "-n", script], check=True)
                subprocess.run(["shellcheck", script], check=True)

    def test_python(self) -> None:
        modules = [DEPLOY / "kserve/initializer.py", DEPLOY / "vllm/modelseal_vllm.py"]
        with tempfile.TemporaryDirectory() as cache:
            run = subprocess.run(
                # What they extend is not here for it to read.
                [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", "--allow-subclassing-any", "--cache-dir", cache, *modules],
                capture_output=True,
                text=True,
            )
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)


if __name__ == "__main__":
    unittest.main()
