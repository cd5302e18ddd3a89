defmodule Pipeline.Hook.Policy.Circuit.PermitCacheTest do
  use ExUnit.Case, async: true

  require Pipeline.Hook.Policy.Circuit.PermitCache

  alias Pipeline.Hook.Policy.Circuit.PermitCache
  alias Pipeline.Native.Breaker

  @settings %{failures: 1, window: 3_600_000, cool_down: 3_600_000, trials: 1}

  defp breaker(settings \\ @settings) do
    {:ok, breaker} = Breaker.new(Pipeline.Native, settings)
    {PermitCache.new(), breaker}
  end

  defp state(breaker), do: elem(Breaker.counts(Pipeline.Native, breaker), 0)
  defp admit(breaker), do: Breaker.admit(Pipeline.Native, breaker)
  defp fail(breaker, permit), do: Breaker.failed(Pipeline.Native, breaker, permit)

  # A permit in the cache is the permit that the breaker gives.
  defp agree!({cache, breaker}) do
    permit = PermitCache.read(cache)

    if permit >= 0 do
      assert state(breaker) == :closed
      assert admit(breaker) == permit
    end
  end

  # The three steps of a run that asks, each at one of four moments: before somebody moves the breaker, before and after
  # the breaker is told, and afterwards.
  defp step(:read, {cache, _breaker}, seen), do: Map.put(seen, :version, PermitCache.read(cache))
  defp step(:ask, {_cache, breaker}, seen), do: Map.put(seen, :answer, admit(breaker))

  defp step(:store, {cache, _breaker}, %{version: version, answer: permit} = seen)
       when version < 0 and is_integer(permit) do
    PermitCache.store(cache, version, permit)
    seen
  end

  defp step(:store, _circuit, seen), do: seen

  for moved_by <- [:failure, :reset] do
    @moved_by moved_by

    test "in any order of a run that asks and a #{moved_by}, the cache agrees with the breaker afterwards" do
      for read <- 0..3, ask <- read..3, store <- ask..3 do
        {cache, breaker} = circuit = breaker()
        # An earlier failure that changed nothing: from now on runs ask.
        PermitCache.around_change(cache, fn -> fail(breaker, 1_000) end)
        Process.put(:seen, %{})

        at = fn moment ->
          for {step, ^moment} <- [read: read, ask: ask, store: store],
              do: Process.put(:seen, step(step, circuit, Process.get(:seen)))
        end

        at.(0)
        agree!(circuit)

        PermitCache.around_change(cache, fn ->
          at.(1)
          agree!(circuit)
          if @moved_by == :failure, do: fail(breaker, 0), else: Breaker.reset(Pipeline.Native, breaker)
          at.(2)
        end)

        agree!(circuit)
        at.(3)
        agree!(circuit)
        assert state(breaker) == if(@moved_by == :failure, do: :open, else: :closed)
      end
    end
  end

  test "a run that asks spares the next one the question" do
    {cache, breaker} = circuit = breaker(%{@settings | failures: 2})
    assert PermitCache.read(cache) == 0
    PermitCache.around_change(cache, fn -> fail(breaker, 0) end)
    assert (version = PermitCache.read(cache)) < 0
    PermitCache.store(cache, version, admit(breaker))
    assert (permit = PermitCache.read(cache)) >= 0
    agree!(circuit)
    PermitCache.around_change(cache, fn -> fail(breaker, permit) end)
    assert state(breaker) == :open
    assert PermitCache.read(cache) < 0
  end

  test "after a change that was killed the breaker is asked" do
    {cache, _breaker} = breaker()
    test = self()

    {pid, monitor} =
      spawn_monitor(fn ->
        PermitCache.around_change(cache, fn ->
          send(test, :within)
          receive do: (:never -> :ok)
        end)
      end)

    assert_receive :within
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, _, _, :killed}
    assert PermitCache.read(cache) < 0
  end

  test "many that fail, pass and reset at once leave a cache that agrees with the breaker" do
    {cache, breaker} = circuit = breaker(%{@settings | failures: 3, window: 1, cool_down: 1})

    for seed <- 1..8 do
      Task.async(fn ->
        :rand.seed(:exsss, {seed, 44, 53})
        for _ <- 1..3_000, do: act(:rand.uniform(10), cache, breaker)
      end)
    end
    |> Task.await_many(:infinity)

    agree!(circuit)
  end

  defp act(1, cache, breaker),
    do: PermitCache.around_change(cache, fn -> Breaker.reset(Pipeline.Native, breaker) end)

  defp act(n, cache, breaker) do
    word = PermitCache.read(cache)
    admitted = if word >= 0, do: word, else: admit(breaker)
    if word < 0 and is_integer(admitted), do: PermitCache.store(cache, word, admitted)

    case admitted do
      {:trial, permit, _} when n < 6 ->
        Breaker.passed(Pipeline.Native, breaker, permit)

      {:trial, permit, _} ->
        PermitCache.around_change(cache, fn -> fail(breaker, permit) end)

      permit when is_integer(permit) and n < 6 ->
        PermitCache.around_change(cache, fn -> fail(breaker, permit) end)

      _ ->
        :ok
    end
  end
end
