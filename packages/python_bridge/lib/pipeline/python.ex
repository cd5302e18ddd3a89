defmodule Pipeline.Python do
  @moduledoc """
  Calls Python functions, in a pool of supervised Python processes.

      {:ok, :python_bridge} = Pipeline.Plugin.Manager.load_plugin(Pipeline.Plugins.PythonBridge)

      {:ok, 4.0} = Pipeline.Python.call("math", "sqrt", [16])
      {:ok, "[1, 2]"} = Pipeline.Python.call("json", "dumps", [[1, 2]])
      {:ok, 6} = Pipeline.Python.eval("sum(numbers)", bindings: %{numbers: [1, 2, 3]})
      [0, 1, 2] = "builtins" |> Pipeline.Python.stream("range", [1_000_000]) |> Enum.take(3)

  `Pipeline.Plugins.PythonBridge` starts the pool and documents its settings. Each call runs in one worker, and each
  worker runs one call at a time. State that a module keeps in Python is the state of one worker; which worker takes a call
  is not defined.

  ## Terms

  | Elixir | Python |
  |---|---|
  | integer, float | `int`, `float` |
  | `nil`, `true`, `false` | `None`, `True`, `False` |
  | a binary | `str`. A binary that is not UTF-8 is refused |
  | `Pipeline.Python.bytes(binary)` | `bytes`, which come back as a binary |
  | another atom | `pipeline_bridge.Atom`, a `str` that comes back as an atom |
  | list, tuple, map | `list`, `tuple`, `dict` |
  | `Pipeline.Python.Object` | the object that was kept |

  The other way round a `str`, `bytes`, `bytearray` or `memoryview` is a binary. Nothing else has a counterpart: not structs,
  functions, pids; not sets, objects of classes, or a `float` that is infinite. Such a value is an error that says so. An
  atom comes back only if it exists already. Arguments and results are at most 200 levels deep, and of `max_bytes` at most.

  ## Time, and callers that go away

  A call ends after `timeout:` milliseconds, and when its caller dies. Python code is then interrupted by an exception. If it
  has not let go `grace` milliseconds later, its worker is killed and replaced. A worker that ends for whatever reason fails
  the call that it runs and no other.

  Processes that Python code starts are its own concern. They are killed with their worker, unless the whole VM is
  killed: then the workers end, and those that they have started may not.

  ## Options

  `call/4`, `stream/4` and `eval/2` take

    * `:timeout` - milliseconds or `:infinity`, by default 30,000. It includes the wait for a free worker. For a stream it
      is the time for each item
    * `:kwargs` - keyword arguments, a map or a keyword list (not for `eval/2`)
    * `:pool` - the name of a pool that `start_link/1` has started, or its pid. By default that of the plugin
    * `:instance` - the instance of the plugin, by default that of the calling plugin, or the one that the application
      starts

  Errors are `Pipeline.Python.Error`, whose `type` is to be matched on. Wrong options raise `ArgumentError`.
  """

  alias Pipeline.Options
  alias Pipeline.Python.{Bytes, Error, Job, Names, Object, Pool, Settings, Term, Worker}

  @timeout 30_000
  @buffer 8

  @typedoc "A Python module, with dots for a module within a package, or an object whose method is called."
  @type target :: String.t() | atom | Object.t()

  @doc """
  Calls a function of a module, or a method of an object.

      iex> Pipeline.Python.call("os.path", "join", ["a", "b"])
      {:ok, "a/b"}
      iex> Pipeline.Python.call("builtins", "int", ["ff"], kwargs: %{base: 16})
      {:ok, 255}
      iex> {:error, error} = Pipeline.Python.call("builtins", "int", ["ff"])
      iex> {error.type, error.message}
      {"ValueError", "invalid literal for int() with base 10: 'ff'"}

  With `keep: true` the result stays in Python, and the call returns a `Pipeline.Python.Object`. It is released when its
  owner ends, which is the caller unless `owner:` names another process, or by `release/1`.

      iex> {:ok, counter} = Pipeline.Python.call("collections", "Counter", ["banana"], keep: true)
      iex> Pipeline.Python.call(counter, "most_common", [1])
      {:ok, [{"a", 3}]}
      iex> Pipeline.Python.call("builtins", "len", [counter])
      {:ok, 3}
      iex> Pipeline.Python.release(counter)
      :ok

  Further options: `:keep`, `:owner`, and those of the module.
  """
  @spec call(target, String.t() | atom, list, keyword) :: {:ok, term} | {:error, Error.t()}
  def call(target, function, args \\ [], opts \\ []) do
    opts = Options.validate!(opts, [:keep, :owner, :kwargs | common()], "Pipeline.Python.call/4")

    target |> request(function, args, opts) |> run_call(opts)
  end

  @doc "Calls as `call/4` does, and returns the value or raises `Pipeline.Python.Error`."
  @spec call!(target, String.t() | atom, list, keyword) :: term
  def call!(target, function, args \\ [], opts \\ []), do: target |> call(function, args, opts) |> ok!()

  @doc """
  Runs Python source. The value is that of the last statement, if it is an expression, otherwise `nil`.

      iex> Pipeline.Python.eval("import statistics\\nstatistics.mean(xs)", bindings: %{xs: [1, 2, 6]})
      {:ok, 3}

  Variables are those of `:bindings`, and are gone afterwards. Never build the source from text of others: pass that text as
  a binding.

  Further options: `:bindings`, `:keep`, `:owner`, and those of the module.
  """
  @spec eval(String.t(), keyword) :: {:ok, term} | {:error, Error.t()}
  def eval(source, opts \\ []) when is_binary(source) do
    opts = Options.validate!(opts, [:keep, :owner, :bindings | common()], "Pipeline.Python.eval/2")
    bindings = names!(opts[:bindings] || %{}, :bindings)
    run_call(%{source: source, bindings: bindings, keep: opts[:keep] == true}, opts)
  end

  @doc "Runs source as `eval/2` does, and returns the value or raises `Pipeline.Python.Error`."
  @spec eval!(String.t(), keyword) :: term
  def eval!(source, opts \\ []), do: source |> eval(opts) |> ok!()

  @doc """
  Calls a function that returns something iterable, and returns its items as an `Enumerable`.

      iex> "itertools" |> Pipeline.Python.stream("count", [10]) |> Enum.take(3)
      [10, 11, 12]

  Each enumeration is a call of its own, which holds its worker until it ends, is halted, or its process dies; a generator
  is closed then. Python is at most `:buffer` items (8 by default) ahead of the consumer. An error raises
  `Pipeline.Python.Error` in the consumer.

  Further options: `:buffer`, and those of the module.
  """
  @spec stream(target, String.t() | atom, list, keyword) :: Enumerable.t()
  def stream(target, function, args \\ [], opts \\ []) do
    opts = Options.validate!(opts, [:buffer, :kwargs | common()], "Pipeline.Python.stream/4")
    credit = opts[:buffer] || @buffer

    unless is_integer(credit) and credit > 0,
      do: raise(ArgumentError, "buffer: is a positive integer, got: #{inspect(credit)}")

    request = target |> request(function, args, opts) |> Map.put(:credit, credit)

    Stream.resource(
      fn -> open!(request, opts) end,
      &next!/1,
      fn
        {worker, id} -> Worker.halt(worker, id)
        :done -> :ok
      end
    )
  end

  @doc """
  Lets go of an object. It may be released already.
  """
  @spec release(Object.t()) :: :ok
  def release(%Object{worker: worker, id: id}), do: Worker.release(worker, id)

  @doc """
  A binary as `bytes` for Python, which gets other binaries as `str`.

      iex> Pipeline.Python.call("binascii", "hexlify", [Pipeline.Python.bytes(<<255, 0>>)])
      {:ok, "ff00"}
  """
  @spec bytes(binary) :: Bytes.t()
  def bytes(data) when is_binary(data), do: %Bytes{data: data}

  @doc """
  Starts a pool beside that of the plugin, linked to the caller.

  Options: `:name`, any term, by which calls find it (`pool: name`), and the settings that
  `Pipeline.Plugins.PythonBridge` documents. Returns once a worker is ready, or an error if Python does not start.
  """
  @spec start_link(keyword) :: {:ok, pid} | {:error, Error.t() | {:already_started, pid}}
  def start_link(opts \\ []) do
    {name, settings} = Keyword.pop(opts, :name, make_ref())

    settings =
      settings |> Settings.opened() |> Settings.validate!("Pipeline.Python.start_link/1") |> Settings.sealed()

    with {:ok, supervisor} <- Pipeline.Python.Supervisor.start_link({name, settings}) do
      case Pool.await_ready(Pipeline.Python.Supervisor.whereis(name)) do
        :ok ->
          {:ok, supervisor}

        error ->
          Process.unlink(supervisor)
          Supervisor.stop(supervisor, :shutdown)
          error
      end
    end
  end

  @doc "A child specification for `start_link/1`."
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(opts),
    do: %{
      id: opts[:name] || __MODULE__,
      start: {__MODULE__, :start_link, [Settings.sealed(opts)]},
      type: :supervisor
    }

  @doc """
  What a pool does at present.

      %{workers: %{starting: 0, idle: 1, busy: 1}, waiting: 0, calls: 12, replaced: 0, problem: nil}

  `:waiting` are calls that wait for a worker, `:replaced` workers that have ended, `:problem` is why none starts.

  Options: `:pool`, `:instance`.
  """
  @spec info(keyword) :: {:ok, map} | {:error, Error.t()}
  def info(opts \\ []) do
    opts = Options.validate!(opts, [:pool, :instance], "Pipeline.Python.info/1")
    with {:ok, pool, _max_bytes} <- pool(opts), do: {:ok, Pool.info(pool)}
  end

  defp common, do: [:timeout, :pool, :instance]

  defp request(%Object{} = object, function, args, opts), do: request_of(object, function, args, opts)

  defp request(module, function, args, opts) when is_binary(module) or is_atom(module),
    do: request_of(to_string(module), function, args, opts)

  defp request_of(target, function, args, opts)
       when (is_binary(function) or is_atom(function)) and is_list(args) do
    kwargs = names!(opts[:kwargs] || %{}, :kwargs)

    %{
      source: nil,
      target: target,
      function: to_string(function),
      args: args,
      kwargs: kwargs,
      keep: opts[:keep] == true
    }
  end

  defp names!(pairs, option) do
    if is_map(pairs) or Keyword.keyword?(pairs),
      do:
        Map.new(pairs, fn {name, value} when is_binary(name) or is_atom(name) -> {to_string(name), value} end),
      else: raise(ArgumentError, "#{option}: is a map or a keyword list, got: #{inspect(pairs)}")
  end

  defp run_call(request, opts) do
    case run(request, :call, opts) do
      {:value, binary} -> Term.decode(binary)
      {:object, worker, id, binary} -> object(worker, id, binary)
      {:raised, binary} -> {:error, raised(binary)}
      {:error, %Error{}} = error -> error
    end
  end

  defp run(request, kind, opts) do
    with {:ok, pool, max_bytes} <- pool(opts),
         {:ok, binary, worker} <- Term.encode(request, max_bytes) do
      job = %Job{kind: kind, request: binary, timeout: timeout!(opts), worker: worker, owner: opts[:owner]}
      Pool.run(pool, job)
    end
  end

  defp timeout!(opts) do
    case Keyword.get(opts, :timeout, @timeout) do
      :infinity -> :infinity
      timeout when is_integer(timeout) and timeout >= 0 and timeout <= 0xFFFF_FFFF -> timeout
      other -> raise ArgumentError, "timeout: is milliseconds or :infinity, got: #{inspect(other)}"
    end
  end

  # The name has the limit as its value, so that no process is asked for it.
  defp pool(opts) do
    name =
      Keyword.get_lazy(opts, :pool, fn -> {:plugin, opts[:instance] || Pipeline.Plugin.current_instance()} end)

    case Registry.lookup(Names, {:pool, name}) do
      [{pid, max_bytes}] ->
        {:ok, pid, max_bytes}

      [] ->
        {:error,
         Error.new(
           :not_running,
           "no pool of Python workers runs here; load Pipeline.Plugins.PythonBridge, or start one with " <>
             "Pipeline.Python.start_link/1"
         )}
    end
  end

  defp object(worker, id, binary) do
    with {:ok, [type]} <- Term.decode(binary), do: {:ok, %Object{worker: worker, id: id, type: type}}
  end

  defp raised(binary) do
    case Term.decode(binary) do
      {:ok, [type, message, traceback]} when is_binary(type) and is_binary(message) ->
        own(type, message) || %Error{type: type, message: message, traceback: traceback}

      _ ->
        Error.new(:result, "Python raised an exception that cannot be read")
    end
  end

  # Exceptions of the bridge's own code in Python.
  defp own("pipeline_bridge.objects.ObjectGone", message),
    do: Error.new(:object_gone, "#{message}; make it again")

  defp own("pipeline_bridge.terms.ArgumentError", message), do: Error.new(:argument, message)
  defp own("pipeline_bridge.terms.ResultError", message), do: Error.new(:result, message)
  defp own(_type, _message), do: nil

  defp open!(request, opts) do
    case run(request, :stream, opts) do
      {:stream, worker, id} -> {worker, id}
      {:raised, binary} -> raise raised(binary)
      {:error, error} -> raise error
    end
  end

  defp next!(:done), do: {:halt, :done}

  defp next!({worker, id} = stream) do
    case Worker.next(worker, id) do
      {:item, binary} -> {[ok!(Term.decode(binary))], stream}
      :done -> {:halt, :done}
      {:raised, binary} -> raise raised(binary)
      {:error, error} -> raise error
    end
  end

  defp ok!({:ok, value}), do: value
  defp ok!({:error, error}), do: raise(error)
end
