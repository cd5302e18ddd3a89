defmodule Pipeline.Sandbox.PureTest do
  # The functions of `:erlang` that a sandboxed function may always call, against those that this OTP has.
  use ExUnit.Case, async: true

  alias Pipeline.Sandbox.{Inspection, Pure}
  alias Pipeline.Sandboxed

  # Types of arguments that are data. None is a module, a function by its name, or options but for those below.
  @data [:term, :any, :list, :nonempty_list, :maybe_improper_list, :nonempty_maybe_improper_list, :string] ++
          [:atom, :integer, :non_neg_integer, :pos_integer, :float, :number, :arity, :decimals, :tuple, :map] ++
          [:binary, :bitstring, :bitstring_list, :byte_list, :iolist, :iodata, :byte, :char, :boolean] ++
          [:pid, :port, :reference, :function, :time_unit, :range] ++
          [:start, :length, :..., :.., :|, :"::", :{}]

  # Atoms that stand in such types: encodings, formats of numbers, units of time, kinds of unique integers.
  @options [:utf8, :latin1, :unicode, :none, :decimals, :scientific, :compact, :short] ++
             [:second, :millisecond, :microsecond, :nanosecond, :native, :perf_counter, :positive, :monotonic] ++
             [:seconds, :milli_seconds, :micro_seconds, :nano_seconds]

  # Those whose types OTP 25 does not tell: operators, and what takes terms and numbers. Newer ones tell some.
  @reviewed [+: 1, -: 1, not: 1, bnot: 1] ++
              for(
                name <- [:+, :-, :*, :/, :div, :rem, :++, :--, :==, :"/=", :"=:=", :"=/=", :<, :>, :"=<", :>=],
                do: {name, 2}
              ) ++
              for(name <- [:and, :or, :xor, :band, :bor, :bxor, :bsl, :bsr], do: {name, 2}) ++
              [make_tuple: 2, make_tuple: 3, append_element: 2, delete_element: 2, insert_element: 3] ++
              [phash2: 1, phash2: 2, md5: 1, crc32: 1, adler32: 1] ++
              [system_time: 0, system_time: 1, monotonic_time: 0, monotonic_time: 1] ++
              [unique_integer: 0, unique_integer: 1]

  # Guards that are refused all the same: nobody has needed them yet.
  @refused_guards [is_record: 1, is_record: 2, is_record: 3, is_integer: 3]

  defp exports, do: :erlang.module_info(:exports)

  test "are functions of this OTP, each once" do
    assert Pure.all() -- exports() == []
    assert Pure.all() -- Enum.uniq(Pure.all()) == []
  end

  test "are all that passes the check: every other function of :erlang is refused" do
    others = Enum.reject(exports(), fn {name, arity} -> Pure.function?(name, arity) end)
    assert length(others) > 100
    captured = for {name, arity} <- exports(), do: Function.capture(:erlang, name, arity)
    {:error, {:not_allowed, violations}} = Inspection.check(Sandboxed.deep(captured), [])
    refused = for {{:erlang, name, arity}, _from} <- violations, do: {name, arity}
    assert Enum.sort(refused) == Enum.sort(others)
  end

  test "take data, and no module, function or option that names one" do
    # Where OTP is installed without its debugging information nothing is known.
    with {:ok, specs} <- Code.Typespec.fetch_specs(:erlang) do
      specs = Map.new(specs)

      for function <- Pure.all(), function not in @reviewed do
        assert is_map_key(specs, function), "#{inspect(function)} has no types: look at it by hand"

        for spec <- specs[function], name <- names(spec) do
          assert name in @data or name in @options,
                 "#{inspect(function)} takes #{inspect(name)} now: see whether it is data"
        end
      end
    end
  end

  test "hold all guards that the compiler makes instructions of" do
    guards = for {name, arity} <- exports(), instruction?(name, arity), do: {name, arity}
    assert length(guards) > 50
    assert Enum.reject(guards, &(&1 in Pure.all())) -- @refused_guards == []
  end

  defp instruction?(name, arity) do
    Enum.any?(
      [:guard_bif, :arith_op, :comp_op, :bool_op, :list_op],
      &apply(:erl_internal, &1, [name, arity])
    )
  end

  # The names of all types and atoms in the arguments of a function.
  defp names(spec) do
    {types, variables} =
      case Code.Typespec.spec_to_quoted(:function, spec) do
        {:when, _, [{:"::", _, [{_, _, arguments}, _]}, variables]} -> {arguments, variables}
        {:"::", _, [{_, _, arguments}, _]} -> {arguments, []}
      end

    names = types |> Enum.flat_map(&names_in/1) |> Enum.uniq()
    known = Keyword.keys(variables)
    of_variables = for {name, type} <- variables, name in names, do: type
    (names -- known) ++ Enum.flat_map(of_variables, &(names_in(&1) -- known))
  end

  defp names_in(type) do
    {_type, names} =
      Macro.prewalk(type, [], fn
        {name, _, _} = node, names when is_atom(name) -> {node, [name | names]}
        atom, names when is_atom(atom) -> {atom, [atom | names]}
        node, names -> {node, names}
      end)

    Enum.uniq(names) -- [nil]
  end
end
