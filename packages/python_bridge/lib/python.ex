defmodule :python do
  @moduledoc """
  The part of ErlPort's module of this name that the plugins of the original architecture document use.

      {:ok, python} = :python.start_link()
      4.0 = :python.call(python, :math, :sqrt, [16])
      :ok = :python.stop(python)

  New code uses `Pipeline.Python`.
  """

  alias Pipeline.Python
  alias Pipeline.Python.Error

  @doc """
  Starts a Python of one's own, linked to the caller.

  Options: `:python_path` (or `:python`, as in ErlPort), the interpreter; `nil` is the default of
  `Pipeline.Plugins.PythonBridge`. All others are settings of that plugin.
  """
  @spec start_link(keyword) :: {:ok, pid} | {:error, term}
  def start_link(opts \\ []) do
    {python, opts} = Keyword.pop(opts, :python)
    python = opts[:python_path] || python

    opts
    |> Keyword.merge(python_path: python && to_string(python), workers: 1, name: make_ref())
    |> Python.start_link()
  end

  @doc """
  Calls a function and returns its result.

  An exception in Python is the error `{:python, type, message, traceback}`.
  """
  @spec call(pid, atom | String.t(), atom | String.t(), list) :: term
  def call(python, module, function, args) do
    case Python.call(module, function, args, pool: python, timeout: :infinity) do
      {:ok, value} -> value
      {:error, %Error{} = error} -> :erlang.error({:python, error.type, error.message, error.traceback})
    end
  end

  @doc "Stops it."
  @spec stop(pid) :: :ok
  def stop(python) do
    Process.unlink(python)
    Supervisor.stop(python, :shutdown)
  end
end
