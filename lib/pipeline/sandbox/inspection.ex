defmodule Pipeline.Sandbox.Inspection do
  @moduledoc false
  # What a function calls, read from the instructions that it was compiled to: its own, those of the functions of its
  # module that it reaches, and those of the functions that it closes over. The imports of a module would tell too
  # much, since they are those of all its functions, and too little, since `module.function()` is not among them.
  #
  # Code is kept for the time of one check, by module and version (the MD5 of the code that a function belongs to). A
  # function of a version that is no longer the current one is refused: its file is gone, and a call that names its own
  # module would go to the code of the other version.

  alias Pipeline.Sandbox.Pure

  @type violation :: {call :: mfa | :dynamic, from :: mfa}
  @type obstacle :: :no_file | :other_version | :evaluated | {:unreadable, term}

  @evaluators [:erl_eval, :elixir_eval, :elixir_erl_eval]

  @spec check(function, [module]) ::
          :ok | {:error, {:not_allowed, [violation]} | {:cannot_inspect, module, obstacle}}
  def check(fun, allowed) do
    state = %{allowed: MapSet.new(allowed), code: %{}, seen: MapSet.new(), found: []}

    case walk([{:fun, fun, nil}], state) do
      {:ok, %{found: []}} -> :ok
      {:ok, %{found: found}} -> {:error, {:not_allowed, found |> Enum.reverse() |> Enum.uniq()}}
      error -> error
    end
  end

  # A list of what is left to look at: functions as values, and functions as names.
  defp walk([], state), do: {:ok, state}

  defp walk([{:fun, fun, from} | rest], state) do
    info = Map.new([:module, :name, :arity, :type], &:erlang.fun_info(fun, &1))
    mfa = {info.module, info.name, info.arity}

    if info.type == :external,
      do: walk(rest, call(mfa, from || mfa, state)),
      else: closure(fun, info, rest, state)
  end

  defp walk([{:local, version, {module, _, _} = mfa} | rest], state) do
    if {version, mfa} in state.seen do
      walk(rest, state)
    else
      state = %{state | seen: MapSet.put(state.seen, {version, mfa})}
      # A function that is not there fails when it is called, and not here.
      {left, state} = state.code[{module, version}] |> Map.get(mfa, []) |> instructions({version, mfa}, state)
      walk(left ++ rest, state)
    end
  end

  defp closure(fun, info, rest, state) do
    {:env, env} = :erlang.fun_info(fun, :env)
    {:new_uniq, version} = :erlang.fun_info(fun, :new_uniq)

    # What a closure closes over are its last arguments.
    mfa = {info.module, info.name, info.arity + length(env)}
    inner = for fun <- functions(env), do: {:fun, fun, mfa}

    cond do
      # As `Stream` makes them.
      info.module in state.allowed ->
        walk(inner ++ rest, state)

      info.module in @evaluators ->
        {:error, {:cannot_inspect, info.module, :evaluated}}

      true ->
        with {:ok, state} <- read(info.module, version, state),
             do: walk(inner ++ [{:local, version, mfa} | rest], state)
    end
  end

  defp read(module, version, state) do
    cond do
      version != current(module) -> {:error, {:cannot_inspect, module, :other_version}}
      is_map_key(state.code, {module, version}) -> {:ok, state}
      true -> read_file(module, version, state)
    end
  end

  defp current(module) do
    :erlang.get_module_info(module, :md5)
  rescue
    # It is not loaded any more.
    ArgumentError -> nil
  end

  defp read_file(module, version, state) do
    with {^module, binary, _path} <- :code.get_object_code(module),
         {:ok, {^module, ^version}} <- :beam_lib.md5(binary),
         {:beam_file, ^module, _, _, _, functions} <- :beam_disasm.file(binary) do
      code =
        for {:function, name, arity, _entry, code} <- functions, into: %{}, do: {{module, name, arity}, code}

      {:ok, put_in(state.code[{module, version}], code)}
    else
      :error -> {:error, {:cannot_inspect, module, :no_file}}
      {:ok, {^module, _version}} -> {:error, {:cannot_inspect, module, :other_version}}
      other -> {:error, {:cannot_inspect, module, {:unreadable, other}}}
    end
  end

  defp instructions(code, from, state) do
    Enum.reduce(code, {[], state}, fn instruction, {left, state} ->
      instruction |> instruction() |> Enum.reduce({left, state}, &note(&1, from, &2))
    end)
  end

  defp note(:dynamic, {_version, from}, {left, state}), do: {left, violation(:dynamic, from, state)}
  defp note({:fun, fun}, {_version, from}, {left, state}), do: {[{:fun, fun, from} | left], state}

  defp note({:call, {module, _, _} = mfa}, {version, {module, _, _} = from}, {left, state}) do
    # The instructions of a native function in the file are not what runs.
    if native?(mfa), do: {left, violation(mfa, from, state)}, else: {[{:local, version, mfa} | left], state}
  end

  defp note({:call, mfa}, {_version, from}, {left, state}), do: {left, call(mfa, from, state)}

  defp native?({module, name, arity}), do: {name, arity} in :erlang.get_module_info(module, :nifs)

  # What an instruction calls or makes a value of.
  defp instruction(:send), do: [{:call, {:erlang, :send, 2}}]

  defp instruction(instruction)
       when is_tuple(instruction) and elem(instruction, 0) in [:apply, :apply_last],
       do: [:dynamic]

  defp instruction({:func_info, _module, _name, _arity}), do: []

  # Raises what was caught once more, as it was. No function takes its arguments.
  defp instruction({:bif, :raise, _fail, [_, _], _to}), do: []

  # A function of `:erlang` that the VM runs as an instruction.
  defp instruction({:bif, name, _fail, args, _to}), do: bif(name, args)
  defp instruction({:gc_bif, name, _fail, _live, args, _to}), do: bif(name, args)
  defp instruction(instruction), do: operands([instruction], [])

  defp bif(name, args), do: operands(args, [{:call, {:erlang, name, length(args)}}])

  defp operands([], found), do: found

  # Newer compilers add these to `value.name` and `value.name()`. The first calls the function where the value is a
  # module; the second warns that the value is a map.
  defp operands([{:extfunc, :elixir_erl_pass, :no_parens_remote, 2} | rest], found),
    do: operands(rest, [:dynamic | found])

  defp operands([{:extfunc, :elixir_erl_pass, :parens_map_field, 2} | rest], found), do: operands(rest, found)

  defp operands([{:extfunc, m, f, a} | rest], found), do: operands(rest, [{:call, {m, f, a}} | found])

  defp operands([{:literal, term} | rest], found) do
    operands(rest, for(fun <- functions(term), do: {:fun, fun}) ++ found)
  end

  # A function of the module itself: of a call, or of a closure that is made.
  defp operands([{m, f, a} | rest], found) when is_atom(m) and is_atom(f) and is_integer(a) do
    operands(rest, [{:call, {m, f, a}} | found])
  end

  defp operands([tuple | rest], found) when is_tuple(tuple), do: operands(Tuple.to_list(tuple) ++ rest, found)
  defp operands([list | rest], found) when is_list(list), do: operands(list ++ rest, found)
  defp operands([_other | rest], found), do: operands(rest, found)

  defp call({module, name, arity} = mfa, from, state) do
    if module in state.allowed or (module == :erlang and Pure.function?(name, arity)) do
      state
    else
      violation(mfa, from, state)
    end
  end

  defp violation(call, from, state), do: %{state | found: [{call, from} | state.found]}

  # All functions within a term.
  defp functions(term), do: functions([term], [])
  defp functions([], found), do: found
  defp functions([fun | rest], found) when is_function(fun), do: functions(rest, [fun | found])
  defp functions([[head | tail] | rest], found), do: functions([head, tail | rest], found)

  defp functions([tuple | rest], found) when is_tuple(tuple),
    do: functions(Tuple.to_list(tuple) ++ rest, found)

  defp functions([map | rest], found) when is_map(map) do
    functions(Enum.flat_map(Map.to_list(map), &Tuple.to_list/1) ++ rest, found)
  end

  defp functions([_other | rest], found), do: functions(rest, found)
end
