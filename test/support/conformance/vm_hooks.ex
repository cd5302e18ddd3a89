defmodule VmHooks do
  @moduledoc """
  The native library of `native/pipeline_term/vm_hooks`: the hook `:conformance`, and the core alone.
  """

  use Pipeline.Native.Library, otp_app: :pipeline_plugin, crate: :pipeline_vm_hooks

  @doc "Runs a case through a chain of the core, made of Rust closures: `{result, called, skipped}`."
  def run_core_alone(_case), do: Pipeline.Native.Library.not_built(:pipeline_vm_hooks)

  @doc "Its live allocations: bytes and blocks."
  def memory, do: Pipeline.Native.Library.not_built(:pipeline_vm_hooks)

  @doc "A function for a sandbox, which calls a NIF of its own module."
  def measuring, do: fn -> memory() end
end
