defmodule Bench.Ticker do
  @moduledoc """
  How late a process comes that wants to run every millisecond, while native chains of five milliseconds run on every
  core: on dirty schedulers, declared or measured to belong there, and on the normal ones.
  """

  alias Bench.{Effort, Pair}
  alias Pipeline.Plugin.Manager

  # Milliseconds.
  @chain 5
  @load 3_000
  @quick_load 500
  @rounds 3

  # Instances by what they do with a chain that is not declared heavy: leave it where it is, or measure it.
  @inline Bench.Ticker.Inline

  def rows do
    {:ok, inline} = Manager.start_link(name: @inline, hook_budget: :infinity)

    for {cost, instance} <- [heavy: Pipeline.Plugin, light: Pipeline.Plugin, inline: @inline],
        do: load(cost, instance)

    context = %{text: text()}

    runs = %{
      heavy: fn -> Pipeline.Hook.run(:ticker_heavy, context) end,
      light: fn -> Pipeline.Hook.run(:ticker_light, context) end,
      inline: fn -> Pipeline.Hook.run(@inline, :ticker_inline, context, nil) end
    }

    rounds = for _ <- 1..Effort.rounds(@rounds), do: Map.new(runs, fn {cost, run} -> {cost, worst(run)} end)
    idle = worst(fn -> Process.sleep(@chain) end)

    for cost <- [:heavy, :light], do: :ok = Manager.unload_plugin(:"ticker_#{cost}")
    :ok = Supervisor.stop(inline)

    [
      row(rounds, :heavy, & &1.inline, "declared heavy", "the same on normal schedulers", 0.02),
      row(
        rounds,
        :light,
        & &1.inline,
        "measured to be heavy",
        "the same on normal schedulers",
        0.02
      ),
      row(rounds, :heavy, fn _ -> idle end, "declared heavy", "the same with nothing to do", nil)
    ]
  end

  defp row(rounds, subject, reference, how, against, target) do
    Pair.from_rounds(for(round <- rounds, do: {Map.fetch!(round, subject), reference.(round)}),
      section: :rest,
      what: "worst lateness of a 1 ms ticker beside #{@chain} ms native chains, #{how}",
      against: against,
      target: target
    )
  end

  defp load(cost, instance) do
    module = :"Elixir.Bench.Ticker#{cost}"
    declared = if cost == :heavy, do: :heavy, else: :light

    Module.create(
      module,
      quote do
        use Pipeline.Plugin, id: unquote(:"ticker_#{cost}"), version: "1.0.0"
        @moduledoc "Takes its time."

        hook :before, unquote(:"ticker_#{cost}"),
          native: :redact,
          cost: unquote(declared),
          config: %{field: :text, patterns: ["[0-9]{3}-[0-9]{2}-[0-9]{4}", "\\+[0-9]{2} [0-9]{3} [0-9]{6}"]}
      end,
      Macro.Env.location(__ENV__)
    )

    {:ok, _id} = Manager.load_plugin(module, %{}, instance: instance)
  end

  # A text that the chain takes as long with as it should.
  defp text do
    piece =
      String.duplicate("Whoever called 12-34 wanted room 567 at 8:90, or so the note of 1-2-3 says. ", 1_000)

    times =
      for _ <- 1..21, do: Pair.time(fn -> Pipeline.Hook.run(@inline, :ticker_inline, %{text: piece}, nil) end)

    took = times |> Enum.sort() |> Enum.at(10)
    String.duplicate(piece, max(1, round(@chain * 1_000_000 / took)))
  end

  # The ticker's worst lateness in nanoseconds while as many processes as there are cores do the work.
  defp worst(work) do
    ticker = Task.async(fn -> tick(now(), 0) end)
    stop = :atomics.new(1, [])

    workers =
      for _ <- 1..System.schedulers_online() do
        Task.async(fn -> work_until_stopped(stop, work) end)
      end

    # Not a sleep: on normal schedulers the clock of the load must not depend on being scheduled itself.
    :erlang.send_after(if(Effort.quick?(), do: @quick_load, else: @load), self(), :enough)

    receive do
      :enough -> :atomics.put(stop, 1, 1)
    end

    Task.await_many(workers, :infinity)
    send(ticker.pid, :stop)
    Task.await(ticker, :infinity)
  end

  defp work_until_stopped(stop, work) do
    work.()
    if :atomics.get(stop, 1) == 0, do: work_until_stopped(stop, work), else: :ok
  end

  defp tick(last, worst) do
    receive do
      :stop -> worst
    after
      1 ->
        now = now()
        tick(now, max(worst, now - last - 1_000_000))
    end
  end

  defp now, do: :erlang.monotonic_time(:nanosecond)
end
