from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModelState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_UNKNOWN: _ClassVar[ModelState]
    MODEL_PROGRESSING: _ClassVar[ModelState]
    MODEL_AVAILABLE: _ClassVar[ModelState]
    MODEL_FAILED: _ClassVar[ModelState]
    MODEL_TERMINATING: _ClassVar[ModelState]
    MODEL_TERMINATED: _ClassVar[ModelState]
    MODEL_TERMINATE_FAILED: _ClassVar[ModelState]
    MODEL_SCHEDULE_FAILED: _ClassVar[ModelState]
    MODEL_SCALED_DOWN: _ClassVar[ModelState]
    MODEL_CREATE: _ClassVar[ModelState]
    MODEL_TERMINATE: _ClassVar[ModelState]

class ReplicaState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPLICA_UNKNOWN: _ClassVar[ReplicaState]
    REPLICA_LOAD_REQUESTED: _ClassVar[ReplicaState]
    REPLICA_LOADING: _ClassVar[ReplicaState]
    REPLICA_LOADED: _ClassVar[ReplicaState]
    REPLICA_LOAD_FAILED: _ClassVar[ReplicaState]
    REPLICA_UNLOAD_REQUESTED: _ClassVar[ReplicaState]
    REPLICA_UNLOADING: _ClassVar[ReplicaState]
    REPLICA_UNLOADED: _ClassVar[ReplicaState]
    REPLICA_UNLOAD_FAILED: _ClassVar[ReplicaState]
    REPLICA_AVAILABLE: _ClassVar[ReplicaState]
    REPLICA_LOADED_UNAVAILABLE: _ClassVar[ReplicaState]
    REPLICA_UNLOAD_ENVOY_REQUESTED: _ClassVar[ReplicaState]
    REPLICA_DRAINING: _ClassVar[ReplicaState]
MODEL_UNKNOWN: ModelState
MODEL_PROGRESSING: ModelState
MODEL_AVAILABLE: ModelState
MODEL_FAILED: ModelState
MODEL_TERMINATING: ModelState
MODEL_TERMINATED: ModelState
MODEL_TERMINATE_FAILED: ModelState
MODEL_SCHEDULE_FAILED: ModelState
MODEL_SCALED_DOWN: ModelState
MODEL_CREATE: ModelState
MODEL_TERMINATE: ModelState
REPLICA_UNKNOWN: ReplicaState
REPLICA_LOAD_REQUESTED: ReplicaState
REPLICA_LOADING: ReplicaState
REPLICA_LOADED: ReplicaState
REPLICA_LOAD_FAILED: ReplicaState
REPLICA_UNLOAD_REQUESTED: ReplicaState
REPLICA_UNLOADING: ReplicaState
REPLICA_UNLOADED: ReplicaState
REPLICA_UNLOAD_FAILED: ReplicaState
REPLICA_AVAILABLE: ReplicaState
REPLICA_LOADED_UNAVAILABLE: ReplicaState
REPLICA_UNLOAD_ENVOY_REQUESTED: ReplicaState
REPLICA_DRAINING: ReplicaState

class ModelReference(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class ModelStatusRequest(_message.Message):
    __slots__ = ("subscriber_name", "model", "all_versions")
    SUBSCRIBER_NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ALL_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    subscriber_name: str
    model: ModelReference
    all_versions: bool
    def __init__(self, subscriber_name: _Optional[str] = ..., model: _Optional[_Union[ModelReference, _Mapping]] = ..., all_versions: bool = ...) -> None: ...

class KubernetesMeta(_message.Message):
    __slots__ = ("namespace", "generation")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    generation: int
    def __init__(self, namespace: _Optional[str] = ..., generation: _Optional[int] = ...) -> None: ...

class ModelReplicaStatus(_message.Message):
    __slots__ = ("state", "reason", "last_change_timestamp")
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LAST_CHANGE_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    state: ReplicaState
    reason: str
    last_change_timestamp: _timestamp_pb2.Timestamp
    def __init__(self, state: _Optional[_Union[ReplicaState, str]] = ..., reason: _Optional[str] = ..., last_change_timestamp: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ModelVersionState(_message.Message):
    __slots__ = ("state", "reason", "available_replicas", "unavailable_replicas", "last_change_timestamp")
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    UNAVAILABLE_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    LAST_CHANGE_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    state: ModelState
    reason: str
    available_replicas: int
    unavailable_replicas: int
    last_change_timestamp: _timestamp_pb2.Timestamp
    def __init__(self, state: _Optional[_Union[ModelState, str]] = ..., reason: _Optional[str] = ..., available_replicas: _Optional[int] = ..., unavailable_replicas: _Optional[int] = ..., last_change_timestamp: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ModelVersionStatus(_message.Message):
    __slots__ = ("version", "server_name", "kubernetes_meta", "model_replica_state", "state")
    class ModelReplicaStateEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: ModelReplicaStatus
        def __init__(self, key: _Optional[int] = ..., value: _Optional[_Union[ModelReplicaStatus, _Mapping]] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    KUBERNETES_META_FIELD_NUMBER: _ClassVar[int]
    MODEL_REPLICA_STATE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    version: int
    server_name: str
    kubernetes_meta: KubernetesMeta
    model_replica_state: _containers.MessageMap[int, ModelReplicaStatus]
    state: ModelVersionState
    def __init__(self, version: _Optional[int] = ..., server_name: _Optional[str] = ..., kubernetes_meta: _Optional[_Union[KubernetesMeta, _Mapping]] = ..., model_replica_state: _Optional[_Mapping[int, ModelReplicaStatus]] = ..., state: _Optional[_Union[ModelVersionState, _Mapping]] = ...) -> None: ...

class ModelStatusResponse(_message.Message):
    __slots__ = ("model_name", "versions", "deleted")
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    model_name: str
    versions: _containers.RepeatedCompositeFieldContainer[ModelVersionStatus]
    deleted: bool
    def __init__(self, model_name: _Optional[str] = ..., versions: _Optional[_Iterable[_Union[ModelVersionStatus, _Mapping]]] = ..., deleted: bool = ...) -> None: ...

class ServerStatusRequest(_message.Message):
    __slots__ = ("subscriber_name", "name")
    SUBSCRIBER_NAME_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    subscriber_name: str
    name: str
    def __init__(self, subscriber_name: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class ServerReplicaResources(_message.Message):
    __slots__ = ("replica_idx", "total_memory_bytes", "available_memory_bytes", "num_loaded_models", "over_commit_percentage")
    REPLICA_IDX_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    NUM_LOADED_MODELS_FIELD_NUMBER: _ClassVar[int]
    OVER_COMMIT_PERCENTAGE_FIELD_NUMBER: _ClassVar[int]
    replica_idx: int
    total_memory_bytes: int
    available_memory_bytes: int
    num_loaded_models: int
    over_commit_percentage: int
    def __init__(self, replica_idx: _Optional[int] = ..., total_memory_bytes: _Optional[int] = ..., available_memory_bytes: _Optional[int] = ..., num_loaded_models: _Optional[int] = ..., over_commit_percentage: _Optional[int] = ...) -> None: ...

class ServerStatusResponse(_message.Message):
    __slots__ = ("server_name", "resources", "expected_replicas", "available_replicas", "num_loaded_model_replicas", "kubernetes_meta")
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    NUM_LOADED_MODEL_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    KUBERNETES_META_FIELD_NUMBER: _ClassVar[int]
    server_name: str
    resources: _containers.RepeatedCompositeFieldContainer[ServerReplicaResources]
    expected_replicas: int
    available_replicas: int
    num_loaded_model_replicas: int
    kubernetes_meta: KubernetesMeta
    def __init__(self, server_name: _Optional[str] = ..., resources: _Optional[_Iterable[_Union[ServerReplicaResources, _Mapping]]] = ..., expected_replicas: _Optional[int] = ..., available_replicas: _Optional[int] = ..., num_loaded_model_replicas: _Optional[int] = ..., kubernetes_meta: _Optional[_Union[KubernetesMeta, _Mapping]] = ...) -> None: ...
