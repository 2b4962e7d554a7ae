"""The demo: the main job on the local cluster, told step by step under steady requests, in a throw-away folder."""
