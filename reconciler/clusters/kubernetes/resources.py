"""The kinds of objects that are read and written, and their paths in the API."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of namespaced objects. `group` is empty for the core group."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """As objects say it: `mlops.seldon.io/v1alpha1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def name(self) -> str:
        """As permissions and kubectl say it: `models.mlops.seldon.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """Returns the path of the collection in `namespace`, or of one object or its subresource."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return "/".join(filter(None, [f"{root}/namespaces/{namespace}/{self.plural}", name, subresource]))


_SELDON = ("mlops.seldon.io", "v1alpha1")

MODELS = Resource(*_SELDON, "models", "Model")
SERVERS = Resource(*_SELDON, "servers", "Server")
EXPERIMENTS = Resource(*_SELDON, "experiments", "Experiment")
PIPELINES = Resource(*_SELDON, "pipelines", "Pipeline")
SERVER_CONFIGS = Resource(*_SELDON, "serverconfigs", "ServerConfig")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
PODS = Resource("", "v1", "pods", "Pod")
SERVICES = Resource("", "v1", "services", "Service")
EVENTS = Resource("", "v1", "events", "Event")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
