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
    * binaries above 64 bytes do not count for the heap limit while the function runs. One larger than the memory of the
      machine ends the VM
    * modules of the list can make atoms
    * a function value that comes in a message is called as it is

    * a module of the list is followed no further, also where it is the one that the function is of
    * code is read before the function runs. If its module is upgraded between the two, calls that name the module reach
      the new version
    * a BEAM file that no compiler has written may hold what its disassembly does not show

  It guards against mistakes and keeps plugins honest. Code that is hostile belongs into another operating system
  process or into WebAssembly.

  ## What crosses to the caller

  A result, or the reason of a failure, is copied out of the process, and a copy shares nothing: a pair of twice the
  same pair, 30 deep, takes a hundred words there and gigabytes here. So the process looks, before it hands anything
  over, whether the copy would be within `:max_heap`, and returns `:max_heap` if not. The same holds for what the
  function closes over. Binaries count by the bytes that are seen of them. With `max_heap: :infinity` nobody looks.

  Errors come as terms: the exception, the reason, the value. They name no functions that explain them (`error_info`).
  `format_error/1` tells them as one line of plain text, of bounded length, and calls no code of the plugin: it shows an
  exception by its field `:message`, or else by its fields. `Exception.message/1` and `inspect/1` call the module of a
  struct, so use them only where that module is trusted.

  ## What cannot be interrupted

  The VM kills a process between two function calls, and some functions written in C run to their end first:
  multiplying and converting integers of millions of bits, making and matching binaries of many megabytes, and comparing
  terms that share parts of themselves, or looking them up as keys of a map, which can take for ever. To read a number of three million digits took four
  minutes. A scheduler is busy for as long, and a caller that waits on that scheduler with it. A result that comes after
  `:timeout` is dropped, and the error is `:timeout`. A caller that has a scheduler waits no more than 100 ms for the end
  of the process.
  """

  alias Pipeline.{CopiedSize, Foreign, HeapLimit, Options}
  alias Pipeline.Sandbox.{Inspection, Worker}

  @timeout 5_000
  @max_heap 64 * 1024 * 1024
  # Violations that a sentence tells of.
  @told 10
  # Bytes to read the code of a module in: that of a large one takes tens of millions.
  @inspection_heap 512 * 1024 * 1024

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

    * `:timeout` - milliseconds, or `:infinity`; by default #{@timeout}. The check of `:allowed_modules` counts
    * `:max_heap` - bytes, at least #{HeapLimit.smallest()}, or `:infinity`; by default 64 MiB. What the function closes
      over is copied into that heap. The VM looks at the size when it collects garbage, and kills the process then
    * `:allowed_modules` - a list of modules, or `:all` (default). The function's own module is not called but
      followed. Arithmetic, comparison, conversion, `throw`, `exit` and `:erlang.error/1`, which the compiler turns into
      calls of `:erlang`, are always allowed. `raise` calls the module of the exception, such as `RuntimeError`. The
      check runs in a process of its own, with 512 MiB of heap beyond `:max_heap`

  ## Errors

    * `:timeout` - the function took longer, or its check
    * `:max_heap` - it needed more, or its result, its failure or what it closes over would take more once it is copied
    * `{:raised, exception, stacktrace}`, `{:exit, reason}`, `{:throw, value}`
    * `{:not_allowed, violations}` - each `{call, from}`: `{module, function, arity}`, or `:dynamic` for a call that is
      known only at run time, and the function that it stands in. Nothing has run
    * `{:cannot_inspect, module, why}` - the code that the function was compiled to is not there to be read: `:no_file`
      (a module that was compiled in memory), `:other_version` (the function is not of the version that is loaded, or
      that is not what stands in the file), `:evaluated` (a function that was typed into a shell or evaluated),
      `{:unreadable, reason}`. Nothing has run
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

    modules = opts |> Keyword.get(:allowed_modules, :all) |> modules!()
    started = Worker.now()

    result =
      with :ok <- inspect_code(fun, modules, timeout, max_heap),
           do: Worker.run(fun, left(timeout, started), max_heap)

    if Worker.late?(started, timeout), do: {:error, :timeout}, else: result
  end

  defp inspect_code(_fun, :all, _timeout, _max_heap), do: :ok

  defp inspect_code(fun, modules, timeout, max_heap) do
    # The closure of this function has to be no larger than what the other one closes over.
    if CopiedSize.within?(fun, max_heap) do
      case Worker.run(fn -> Inspection.check(fun, modules) end, timeout, inspection_heap(max_heap)) do
        {:ok, result} -> result
        {:error, reason} when reason in [:timeout, :max_heap] -> {:error, reason}
        {:error, reason} -> {:error, {:cannot_inspect, module(fun), {:unreadable, reason}}}
      end
    else
      {:error, :max_heap}
    end
  end

  defp inspection_heap(:infinity), do: :infinity
  defp inspection_heap(bytes), do: bytes + @inspection_heap

  defp module(fun) do
    {:module, module} = :erlang.fun_info(fun, :module)
    module
  end

  defp left(:infinity, _started), do: :infinity
  defp left(timeout, started), do: max(timeout - (Worker.now() - started), 0)

  defp modules!(:all), do: :all

  defp modules!(modules) do
    unless is_list(modules) and not List.improper?(modules) and Enum.all?(modules, &is_atom/1) do
      raise ArgumentError, "allowed_modules: is a list of modules or :all, got: #{inspect(modules)}"
    end

    modules
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
  A sentence for the reason of an error: one line of plain text, whatever the function failed with.

      iex> Pipeline.Sandbox.format_error({:not_allowed, [{{File, :rm, 1}, {MyPlugin, :clean, 0}}]})
      "MyPlugin.clean/0 calls File.rm/1, which is not in allowed_modules; leave the call out, or allow File"
  """
  @spec format_error(reason) :: String.t()
  def format_error(:timeout), do: "it took longer than its timeout"
  def format_error(:max_heap), do: "it needed more memory than its max_heap"

  def format_error({:raised, reason, _stacktrace}), do: "it raised " <> Foreign.banner(:error, reason)
  def format_error({:exit, reason}), do: "it exited: " <> Foreign.exit_reason(reason)
  def format_error({:throw, value}), do: "it threw " <> Foreign.term(value)

  def format_error({:not_allowed, violations}) do
    {told, others} = Enum.split(violations, @told)
    more = if others == [], do: "", else: "; and #{length(others)} more"
    Enum.map_join(told, "; ", &violation/1) <> more
  end

  def format_error({:cannot_inspect, module, why}) do
    "the code of #{Foreign.term(module)} cannot be inspected: #{obstacle(why)}"
  end

  defp violation({{module, _, _} = call, from}) do
    "#{mfa(from)} calls #{mfa(call)}, which is not in allowed_modules; leave the call out, or allow #{Foreign.term(module)}"
  end

  defp violation({:dynamic, from}) do
    "#{mfa(from)} makes a call that is known only at run time; name the module and the function " <>
      "(map.field can be such a call too: match on the map instead)"
  end

  defp obstacle(:no_file), do: "it has no BEAM file; compile it into one"

  defp obstacle(:other_version) do
    "the function is of another version than its BEAM file or than what is loaded; reload it, and make the function again"
  end

  defp obstacle(:evaluated), do: "the function was evaluated, not compiled; put it into a module"
  defp obstacle({:unreadable, reason}), do: "its BEAM file cannot be read: #{Foreign.term(reason)}"

  defp mfa({module, function, arity}), do: Foreign.function(module, function, arity)
end
