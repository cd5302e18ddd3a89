defmodule Pipeline.Sandbox do
  @moduledoc """
  Runs a function in a process of its own, with a time limit, a heap limit, and a list of modules that it may call.

      iex> Pipeline.Sandbox.run(fn -> 1 + 1 end)
      {:ok, 2}
      iex> Pipeline.Sandbox.run(fn -> exit(:enough) end)
      {:error, {:exit, :enough}}
      iex> Pipeline.Sandbox.run(fn -> receive do: (:never -> :ok) end, timeout: 10)
      {:error, :timeout}

  ## What is isolated, and what is not

  The BEAM isolates processes from each other: a function that raises, exits, loops or eats memory harms nobody but its
  own process, which is killed when its time is up, when its heap grows too large, or when the caller ends. Processes
  that it is linked to end with it; others that it has started live on.

  The BEAM does not isolate code. Any function can reach everything in the VM: other processes, ETS, files, the atom
  table, `System.halt/0`; and a NIF can do anything at all. There is no permission to take away from a process. So
  `:allowed_modules` is not a wall around a running function but a check before it runs: the code of the function and
  of all functions of its own module that it reaches is read, and each call to another module has to be to one of the
  list. Calls that are known only at run time (`apply/3` with variables, `module.function()`) are refused, since nobody
  can tell what they call.

  What the check leaves open, and so is for the list to decide:

    * an allowed module may do all that it does, for whoever calls it. With `Kernel`, `:erlang`, `Function`, `Code`,
      `Task` or `GenServer` in the list there is no limit left
    * an allowed function that dispatches by its data, as protocols do, calls the implementation for what it is given
    * binaries above 64 bytes do not count for the heap limit, and modules of the list can make atoms
    * a function value that comes in a message is called as it is

  It guards against mistakes and keeps plugins honest. Code that is hostile belongs into another operating system
  process or into WebAssembly.
  """

  alias Pipeline.HeapLimit
  alias Pipeline.Options
  alias Pipeline.Sandbox.{Inspection, Worker}

  @timeout 5_000
  @max_heap 64 * 1024 * 1024

  @type reason ::
          :timeout
          | :max_heap
          | {:raised, Exception.t() | term, Exception.stacktrace()}
          | {:exit, term}
          | {:throw, term}
          | {:not_allowed, [Inspection.violation()]}
          | {:cannot_inspect, module, Inspection.obstacle()}

  @doc """
  Runs a function and returns `{:ok, value}`, or why there is none.

  ## Options

    * `:timeout` - milliseconds, or `:infinity`; by default #{@timeout}
    * `:max_heap` - bytes, at least #{HeapLimit.smallest()}, or `:infinity`; by default 64 MiB. What the function closes
      over is copied into that heap. The VM looks at the size when it collects garbage, and kills the process then
    * `:allowed_modules` - a list of modules, or `:all` (default). The function's own module is not called but
      followed. Arithmetic, comparison, conversion and raising, which the compiler turns into calls of `:erlang`, are
      always allowed

  ## Errors

    * `:timeout`, `:max_heap`
    * `{:raised, exception, stacktrace}`, `{:exit, reason}`, `{:throw, value}`
    * `{:not_allowed, violations}` - each `{call, from}`: `{module, function, arity}`, or `:dynamic` for a call that is
      known only at run time, and the function that it stands in. Nothing has run
    * `{:cannot_inspect, module, why}` - the code that the function was compiled to is not there to be read: `:no_file`
      (a module that was compiled in memory), `:other_version` (its file is not what is loaded), `:evaluated` (a
      function that was typed into a shell or evaluated). Nothing has run
  """
  @spec run((() -> value), keyword) :: {:ok, value} | {:error, reason} when value: term
  def run(fun, opts \\ []) when is_function(fun, 0) do
    Options.validate!(
      opts,
      [:timeout, :max_heap, :allowed_modules],
      "Pipeline.Sandbox.run/2"
    )

    timeout = opts |> Keyword.get(:timeout, @timeout) |> timeout!()
    max_heap = opts |> Keyword.get(:max_heap, @max_heap) |> max_heap!()

    with :ok <- inspect_code(fun, Keyword.get(opts, :allowed_modules, :all)) do
      Worker.run(fun, timeout, max_heap)
    end
  end

  defp inspect_code(_fun, :all), do: :ok

  defp inspect_code(fun, modules) do
    unless is_list(modules) and not List.improper?(modules) and Enum.all?(modules, &is_atom/1) do
      raise ArgumentError, "allowed_modules: is a list of modules or :all, got: #{inspect(modules)}"
    end

    Inspection.check(fun, modules)
  end

  defp timeout!(timeout) when timeout == :infinity or (is_integer(timeout) and timeout >= 0), do: timeout

  defp timeout!(timeout),
    do: raise(ArgumentError, "timeout: is a number of milliseconds or :infinity, got: #{inspect(timeout)}")

  defp max_heap!(:infinity), do: :infinity

  defp max_heap!(bytes) do
    if HeapLimit.bytes?(bytes) do
      bytes
    else
      raise ArgumentError,
            "max_heap: is a number of bytes, at least #{HeapLimit.smallest()}, or :infinity, got: #{inspect(bytes)}"
    end
  end

  @doc """
  A sentence for the reason of an error.

      iex> Pipeline.Sandbox.format_error({:not_allowed, [{{File, :rm, 1}, {MyPlugin, :clean, 0}}]})
      "MyPlugin.clean/0 calls File.rm/1, which is not in allowed_modules; leave the call out, or allow File"
  """
  @spec format_error(reason) :: String.t()
  def format_error(:timeout), do: "it took longer than its timeout"
  def format_error(:max_heap), do: "it needed more memory than its max_heap"

  def format_error({:raised, reason, stacktrace}),
    do: "it raised " <> Exception.format_banner(:error, reason, stacktrace)

  def format_error({:exit, reason}), do: "it exited: " <> Exception.format_exit(reason)
  def format_error({:throw, value}), do: "it threw #{inspect(value)}"
  def format_error({:not_allowed, violations}), do: Enum.map_join(violations, "; ", &violation/1)

  def format_error({:cannot_inspect, module, why}) do
    "the code of #{inspect(module)} cannot be inspected: #{obstacle(why)}"
  end

  defp violation({{module, _, _} = call, from}) do
    "#{mfa(from)} calls #{mfa(call)}, which is not in allowed_modules; leave the call out, or allow #{inspect(module)}"
  end

  defp violation({:dynamic, from}) do
    "#{mfa(from)} makes a call that is known only at run time; name the module and the function " <>
      "(map.field can be such a call too: match on the map instead)"
  end

  defp obstacle(:no_file), do: "it has no BEAM file; compile it into one"

  defp obstacle(:other_version),
    do: "its BEAM file is not the version that the function is of; recompile or reload it"

  defp obstacle(:evaluated), do: "the function was evaluated, not compiled; put it into a module"
  defp obstacle({:unreadable, reason}), do: "its BEAM file cannot be read: #{inspect(reason)}"

  defp mfa({module, function, arity}), do: Exception.format_mfa(module, function, arity)
end
