"""A real Kubernetes control plane for tests: etcd and kube-apiserver on 127.0.0.1, started by whoever needs one.

`build` makes the binaries once and keeps them outside the checkout; `running` starts and ends a control plane;
`fixtures` has what tests use.
"""
