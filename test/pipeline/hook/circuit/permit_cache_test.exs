defmodule Pipeline.Hook.Circuit.GateTest do
  use ExUnit.Case, async: true

  require Pipeline.Hook.Circuit.PermitCache

  alias Pipeline.Native.Breaker
  alias Pipeline.Hook.Circuit.PermitCache

  @settings %{failures: 1, window: 3_600_000, cool_down: 3_600_000, trials: 1}

  defp breaker(settings \\ @settings) do
    {:ok, breaker} = Breaker.new(Pipeline.Native, settings)
    {PermitCache.new(), breaker}
  end

  defp state(breaker), do: elem(Breaker.counts(Pipeline.Native, breaker), 0)
  defp admit(breaker), do: Breaker.admit(Pipeline.Native, breaker)
  defp fail(breaker, permit), do: Breaker.failed(Pipeline.Native, breaker, permit)

  # What a word that is a permit says has to be so.
  defp agree!({gate, breaker}) do
    word = PermitCache.read(gate)

    if word >= 0 do
      assert state(breaker) == :closed
      assert admit(breaker) == PermitCache.permit(word)
    end
  end

  # The three steps of a run that asks, each at one of four moments: before somebody moves the breaker, while that is
  # pending before and after the breaker is told, and afterwards.
  defp step(:look, {gate, _breaker}, seen), do: Map.put(seen, :word, PermitCache.read(gate))
  defp step(:ask, {_gate, breaker}, seen), do: Map.put(seen, :answer, admit(breaker))

  defp step(:note, {gate, _breaker}, %{word: word, answer: permit} = seen)
       when word < 0 and is_integer(permit) do
    PermitCache.closed(gate, word, permit)
    seen
  end

  defp step(:note, _circuit, seen), do: seen

  for moved_by <- [:failure, :reset] do
    @moved_by moved_by

    test "whenever a run asks beside a #{moved_by}, no word says that a breaker is closed which is not" do
      for look <- 0..3, ask <- look..3, note <- ask..3 do
        {gate, breaker} = circuit = breaker()
        # An earlier failure that changed nothing: from now on runs ask.
        PermitCache.moving(gate, fn -> fail(breaker, 1_000) end)
        seen = :ets.new(:seen, [:public])
        :ets.insert(seen, {:seen, %{}})

        at = fn moment ->
          for {step, ^moment} <- [look: look, ask: ask, note: note] do
            [{:seen, before}] = :ets.lookup(seen, :seen)
            :ets.insert(seen, {:seen, step(step, circuit, before)})
          end

          agree!(circuit)
        end

        at.(0)

        PermitCache.moving(gate, fn ->
          at.(1)
          if @moved_by == :failure, do: fail(breaker, 0), else: Breaker.reset(Pipeline.Native, breaker)
          at.(2)
        end)

        at.(3)
        assert state(breaker) == if(@moved_by == :failure, do: :open, else: :closed)
      end
    end
  end

  test "a run that asks when nothing is pending spares the next the question" do
    {gate, breaker} = circuit = breaker(%{@settings | failures: 2})
    assert PermitCache.read(gate) == 0
    PermitCache.moving(gate, fn -> fail(breaker, 0) end)
    assert (word = PermitCache.read(gate)) < 0
    PermitCache.closed(gate, word, admit(breaker))
    assert PermitCache.read(gate) >= 0
    agree!(circuit)
    permit = PermitCache.permit(PermitCache.read(gate))
    PermitCache.moving(gate, fn -> fail(breaker, permit) end)
    assert state(breaker) == :open
    assert PermitCache.read(gate) < 0
  end

  test "what is killed while it tells leaves all asking" do
    {gate, breaker} = breaker()
    test = self()

    {pid, monitor} =
      spawn_monitor(fn ->
        PermitCache.moving(gate, fn ->
          send(test, :within)
          receive do: (:never -> :ok)
        end)
      end)

    assert_receive :within
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, _, _, :killed}
    PermitCache.closed(gate, PermitCache.read(gate), admit(breaker))
    assert PermitCache.read(gate) < 0
    # One that raises has told.
    {gate, breaker} = breaker()
    assert_raise RuntimeError, fn -> PermitCache.moving(gate, fn -> raise "no" end) end
    PermitCache.closed(gate, PermitCache.read(gate), admit(breaker))
    assert PermitCache.read(gate) >= 0
  end

  test "many that fail, pass and reset at once leave a word that is true" do
    {gate, breaker} = circuit = breaker(%{@settings | failures: 3, window: 1, cool_down: 1})

    for seed <- 1..8 do
      Task.async(fn ->
        :rand.seed(:exsss, {seed, 44, 53})
        for _ <- 1..3_000, do: act(:rand.uniform(10), gate, breaker)
      end)
    end
    |> Task.await_many(:infinity)

    agree!(circuit)
  end

  defp act(1, gate, breaker), do: PermitCache.moving(gate, fn -> Breaker.reset(Pipeline.Native, breaker) end)

  defp act(n, gate, breaker) do
    word = PermitCache.read(gate)
    admitted = if word >= 0, do: PermitCache.permit(word), else: admit(breaker)
    if word < 0 and is_integer(admitted), do: PermitCache.closed(gate, word, admitted)

    case admitted do
      {:trial, permit, _} when n < 6 -> Breaker.passed(Pipeline.Native, breaker, permit)
      {:trial, permit, _} -> PermitCache.moving(gate, fn -> fail(breaker, permit) end)
      permit when is_integer(permit) and n < 6 -> PermitCache.moving(gate, fn -> fail(breaker, permit) end)
      _ -> :ok
    end
  end
end
