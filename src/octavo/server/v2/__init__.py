"""The Open Inference Protocol, version 2: what both of its wires, REST and gRPC, share, and REST.

They know nothing of pipelines: features are named columns of a type, answers named columns.
"""
