defmodule Pipeline.NativeFuzz do
  @moduledoc """
  Calls every function of native libraries with random terms, in this VM, which may not live through it.

  Each call is written to a file before it is made. Batches follow each other with nothing kept between them; after each
  the VM is measured. The last is run again and again: what the same calls add to memory then they do not give back.
  """

  alias Pipeline.{LeakCheck, Measured}
  alias Pipeline.NativeFuzz.{Arguments, Held, Replies}

  # Of a test library there is one function that belongs to the test.
  @left_out [run_core_alone: 1]

  @batches 5
  @again 2

  # A call that has not come back by then hangs.
  @patience :timer.seconds(60)

  @doc "Runs `calls` calls; a file in `directory` says what came of them."
  @spec main([String.t()]) :: no_return
  def main([seed, calls, directory | modules]) do
    modules = Enum.map(modules, &String.to_atom/1)
    report = run(modules, String.to_integer(seed), String.to_integer(calls), directory)
    File.write!(Path.join(directory, "report"), :erlang.term_to_binary(report))
    System.halt(0)
  end

  @doc "The native functions of modules."
  @spec functions([module]) :: [{module, atom, arity}]
  def functions(modules) do
    for module <- modules,
        {name, arity} <- Enum.sort(module.module_info(:nifs)),
        {name, arity} not in @left_out,
        do: {module, name, arity}
  end

  defp run(modules, seed, calls, directory) do
    made = :atomics.new(1, [])
    watch(made)
    Measured.load_code()

    state = %{
      functions: List.to_tuple(functions(modules)),
      file: Path.join(directory, "last_call"),
      made: made,
      seed: seed,
      replies: Replies.start(),
      counts: %{}
    }

    # What is made once is made before anything is measured.
    state = batch(state, 0, div(calls, 50))
    _ = LeakCheck.measure()
    atoms = :erlang.system_info(:atom_count)
    before = LeakCheck.measure()

    {measured, state} =
      Enum.map_reduce(numbers(), state, &measured_batch(&2, &1, div(calls, @batches), before))

    %{
      counts: state.counts,
      measured: [before | measured],
      replies: Replies.counted(state.replies),
      atoms: Measured.atoms_since(atoms),
      calls: :atomics.get(made, 1)
    }
  end

  defp numbers, do: Enum.to_list(1..@batches) ++ List.duplicate(@batches, @again)

  defp measured_batch(state, number, calls, before) do
    state = batch(state, number, calls)
    Replies.settle(state.replies)
    {LeakCheck.measure(like: before), state}
  end

  # In a process of its own, with which all that it held goes.
  defp batch(state, number, calls) do
    {pid, monitor} =
      spawn_monitor(fn ->
        :rand.seed(:exsss, {state.seed, number, 0})
        {:ok, file} = :file.open(state.file, [:write, :raw, :binary])
        state = %{state | file: file}
        {held, counts} = Enum.reduce(1..calls//1, {Held.new(), state.counts}, &call(state, number, &1, &2))
        {:messages, left} = Process.info(self(), :messages)
        if left != [], do: raise("nobody waits for #{inspect(left)}")
        # Nothing of it is let go before.
        exit({:done, counts, held})
      end)

    receive do
      {:DOWN, ^monitor, _, ^pid, {:done, counts, _}} ->
        %{state | counts: counts}

      {:DOWN, ^monitor, _, ^pid, reason} ->
        stop("#{Exception.format_exit(reason)}")
    end
  end

  defp call(state, batch, number, {held, counts}) do
    {module, name, arity} = function = elem(state.functions, :rand.uniform(tuple_size(state.functions)) - 1)
    {arity, arguments} = arguments(module, name, arity, held, state.replies)
    write(state.file, {state.seed, batch, number, module, name, arguments})
    outcome = outcome(module, name, arguments)
    :atomics.add(state.made, 1, 1)

    if function_exported?(module, name, arity) == (outcome == :undef) do
      stop("#{inspect(function)} of arity #{arity} ended in #{inspect(outcome)}")
    end

    case outcome do
      {:returned, returned} ->
        # Looks at all of it: a term that is none would not let it.
        _ = :erlang.phash2(returned)
        check(module, function, returned)
        Replies.await(state.replies, module, name, arguments, returned)
        {Held.harvest(held, name, arguments, returned), count(counts, {module, name, arity}, :returned)}

      other ->
        {held, count(counts, {module, name, arity}, other)}
    end
  end

  # One call in ten has a number of arguments that the function does not take.
  defp arguments(module, name, arity, held, replies) do
    if :rand.uniform(10) == 1 do
      other = Enum.random(Enum.reject(0..9, &function_exported?(module, name, &1)))
      {other, Arguments.random(other, held)}
    else
      {arity, name |> Arguments.pick(arity, held) |> Replies.redirect(replies, name)}
    end
  end

  defp outcome(module, name, arguments) do
    {:returned, apply(module, name, arguments)}
  catch
    :error, :badarg -> :badarg
    :error, :undef -> :undef
    kind, reason -> stop("it ended in #{inspect({kind, reason})}")
  end

  # The test library has hooks that panic. Of others none does.
  defp check(Pipeline.Native, function, returned) do
    for message <- messages(returned), is_binary(message), message =~ "panicked" do
      stop("#{inspect(function)} returned #{inspect(returned)}")
    end
  end

  defp check(_, _, _), do: []

  defp messages({:failed, message}), do: [message]
  defp messages({:failed, _, message}), do: [message]
  defp messages({_, :failed, message}), do: [message]
  defp messages({:skipped, skips, ended}), do: messages(ended) ++ Enum.flat_map(skips, &messages/1)
  defp messages({:error, {:invalid_config, _, message}}), do: [message]
  defp messages({:error, message}), do: [message]
  defp messages(_), do: []

  defp count(counts, function, outcome), do: Map.update(counts, {function, outcome}, 1, &(&1 + 1))

  defp write(file, call) do
    call = :erlang.term_to_binary(call)
    :ok = :file.pwrite(file, 0, [<<byte_size(call)::32>>, call])
  end

  defp watch(made, seen \\ 0) do
    spawn(fn -> wait(made, seen) end)
  end

  defp wait(made, seen) do
    receive do
    after
      @patience ->
        case :atomics.get(made, 1) do
          ^seen -> stop("it did not come back in #{@patience} ms")
          now -> wait(made, now)
        end
    end
  end

  @doc "Ends the VM with a sentence."
  @spec stop(String.t()) :: no_return
  def stop(sentence) do
    IO.puts(:stderr, sentence)
    System.halt(1)
  end
end
