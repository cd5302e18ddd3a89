"""llama.cpp's own server, from the wheel xllamacpp. Started by bin/llm-server."""
import argparse
import os
import signal

import xllamacpp as llama

options = argparse.ArgumentParser()
options.add_argument("--model", required=True)
options.add_argument("--port", type=int, required=True)
options.add_argument("--key")
options = options.parse_args()

params = llama.CommonParams()
params.model.path = options.model
name = "smollm2-135m-instruct"
kind = type(params.model_alias)
params.model_alias = {name} if kind is set else [name] if kind is list else name
params.hostnames = ["127.0.0.1"]
params.port = options.port
params.n_ctx = 2048
params.n_parallel = 2
# Two threads take forty times as long where the cores are busy.
params.cpuparams.n_threads = 1
params.cpuparams_batch.n_threads = 1
params.verbosity = 1
params.endpoint_metrics = True
params.ui = False
params.use_jinja = True
params.embedding = True
params.pooling_type = llama.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
if options.key:
    params.api_keys = [options.key]

server = llama.Server(params)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
signal.pause()
