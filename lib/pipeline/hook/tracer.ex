defmodule Pipeline.Hook.Tracer do
  @moduledoc false
  # The process of a trace. It calls the function of the trace, so that no run waits for it or fails with it.
  # It ends with the trace: after the last run, when its time is up, when the process that gets the runs or
  # makes them ends, or when the function fails. The manager of the instance, which has put the trace on the
  # point, then takes it off.

  require Logger

  alias Pipeline.Foreign
  alias Pipeline.Hook.Trace
  alias Pipeline.Instance
  alias Pipeline.Instance.{Caller, Names}
  alias Pipeline.Options

  @options [:instance, :to, :pid, :limit, :for, :show]
  # Milliseconds.
  @time 60_000
  @limit 100

  @spec start(atom, keyword) :: {:ok, Trace.t()} | {:error, {:called_from_callback, atom}}
  def start(point, opts) do
    opts = check!(point, opts)

    case Caller.callback() do
      nil -> {:ok, start_checked(point, opts)}
      callback -> {:error, {:called_from_callback, callback}}
    end
  end

  @spec stop(Trace.t()) :: :ok
  def stop(%Trace{pid: pid}) when pid == self() do
    send(pid, :stop)
    :ok
  end

  def stop(%Trace{} = trace) do
    monitor = Process.monitor(trace.pid)
    send(trace.pid, :stop)

    receive do
      {:DOWN, ^monitor, :process, _pid, _reason} -> :ok
    end

    GenServer.call(Names.via(trace.instance, :manager), {:untrace, trace}, :infinity)
  catch
    # The instance is gone, and the trace with it.
    :exit, _reason -> :ok
  end

  defp start_checked(point, opts) do
    to = opts[:to]
    of = opts[:pid]
    watched = Enum.uniq(Enum.filter([if(is_pid(to), do: to, else: self()), of], &is_pid/1))

    {:ok, pid} =
      Task.Supervisor.start_child(Names.via(opts[:instance], :hook_tasks), fn ->
        for pid <- watched, do: Process.monitor(pid)
        Process.send_after(self(), :time_is_up, opts[:for])
        loop(if(is_function(to), do: to), opts[:limit], point)
      end)

    left = :atomics.new(1, signed: true)
    :atomics.put(left, 1, opts[:limit])

    trace = %Trace{
      reference: make_ref(),
      instance: opts[:instance],
      point: point,
      pid: pid,
      of: of,
      to: if(is_pid(to), do: to, else: :tracer),
      show: opts[:show],
      left: left
    }

    :ok = GenServer.call(Names.via(trace.instance, :manager), {:trace, trace}, :infinity)
    trace
  end

  defp loop(_fun, 0, _point), do: :ok

  defp loop(fun, left, point) do
    receive do
      {:run, run} -> if tell(fun, run, point), do: loop(fun, left - 1, point)
      :told -> loop(fun, left - 1, point)
      _over -> :ok
    end
  end

  defp tell(fun, run, point) do
    fun.(run)
    true
  catch
    kind, reason ->
      Logger.error(
        "the trace of #{inspect(point)} ends, its function failed: " <>
          Foreign.format(kind, reason, __STACKTRACE__)
      )

      false
  end

  defp check!(point, opts) do
    Options.validate!(opts, @options, "Pipeline.Hook.trace/3")

    opts =
      Keyword.merge(
        [instance: Instance.default(), to: self(), pid: self(), limit: @limit, for: @time, show: :keys],
        opts
      )

    cond do
      not is_atom(point) ->
        raise ArgumentError, "the name of a hook point is an atom, got: #{inspect(point)}"

      not (is_pid(opts[:to]) or is_function(opts[:to], 1)) ->
        raise ArgumentError, "to: is a pid or a function of one argument, got: #{inspect(opts[:to])}"

      not (opts[:pid] == :all or is_pid(opts[:pid])) ->
        raise ArgumentError, "pid: is a pid or :all, got: #{inspect(opts[:pid])}"

      not (opts[:show] == :keys or is_list(opts[:show]) or is_function(opts[:show], 1)) ->
        raise ArgumentError,
              "show: is :keys, a list of fields or a function of one argument, got: #{inspect(opts[:show])}"

      not positive?(opts[:limit]) ->
        raise ArgumentError, "limit: is a positive number of runs, got: #{inspect(opts[:limit])}"

      not positive?(opts[:for]) ->
        raise ArgumentError, "for: is a positive number of milliseconds, got: #{inspect(opts[:for])}"

      true ->
        Pipeline.Hook.ChainStore.check_traceable!(opts[:instance], point)
        opts
    end
  end

  defp positive?(number), do: is_integer(number) and number > 0
end
