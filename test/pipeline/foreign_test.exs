defmodule Pipeline.ForeignTest do
  use ExUnit.Case, async: true

  alias Pipeline.Foreign

  defmodule Plain do
    defstruct [:a, :b]
  end

  defmodule Computed do
    defexception [:code, :secret]
    def message(_), do: raise("nobody is to call this")
  end

  describe "a term" do
    test "is as inspect/1 has it" do
      for term <- [
            [],
            {},
            %{},
            :atom,
            nil,
            :"odd one",
            -1.5,
            "text \" \n",
            <<1, 2, 255>>,
            <<1::3>>,
            String.to_charlist("charlist"),
            [1, "two", {:three, 4}],
            [a: 1, b: [c: {}]],
            [1 | 2],
            %{"a" => [1], 2 => %{}},
            %{b: nil},
            &File.cwd/0,
            1..2,
            1..9//3,
            self(),
            make_ref()
          ] do
        assert Foreign.term(term) == inspect(term)
      end

      assert Foreign.term(%Plain{a: 1}) == inspect(%Plain{a: 1})
      assert Foreign.term(~D[2024-02-01]) =~ ~r/\A%Date\{.*day: 1, month: 2/
    end

    test "that is a struct with an Inspect of its own keeps its fields to itself" do
      child = struct(Pipeline.Plugin.Registry.ReadOnly, handle: %{password: "hunter2"})
      assert Foreign.term({:error, child}) == "{:error, %Pipeline.Plugin.Registry.ReadOnly{...}}"
    end

    test "is cut where it is large or deep" do
      assert Foreign.term(Enum.to_list(1..1000)) =~ ~r/98, 99, \.\.\.\]\z/
      assert Foreign.term(List.to_tuple(Enum.to_list(1..1000))) =~ ~r/98, 99, \.\.\.\}\z/
      assert Foreign.term(Map.new(1..1000, &{&1, &1})) =~ ~r/, \.\.\.\}\z/
      assert Foreign.term(Bitwise.bsl(1, 10_000)) =~ ~r/\A#Integer<12\d\d bytes>\z/
      assert byte_size(Foreign.term(List.duplicate(String.duplicate("é", 5_000), 50))) < 4_100
      assert String.ends_with?(Foreign.term(Enum.reduce(1..200, 1, fn _, term -> {term} end)), "}}}}")
      assert Foreign.term([1, 2, 3], 3) == "[1, 2, ...]"
    end

    test "that claims to be a struct is one line all the same" do
      for term <- [
            %{__struct__: 1},
            %{__struct__: Plain},
            %{:__struct__ => Plain, 1 => 2},
            %{__struct__: Computed, __exception__: true}
          ] do
        assert is_binary(Foreign.term(term))
        assert is_binary(Foreign.exit_reason(term))
        assert is_binary(Foreign.banner(:error, term))
      end
    end
  end

  test "a line has no control characters, and is valid UTF-8" do
    assert Foreign.line("one\r\n  two \n\n three\n") == "one two three"

    assert Foreign.line("a\tb\e[31mc\u0085\u202Ed" <> <<0xC3>>) ==
             "a\\x{9}b\\x{1B}[31mc\\x{85}\\x{202E}d\\xC3"

    assert Foreign.line("Größe 漢字") == "Größe 漢字"
    assert Foreign.line(String.duplicate("x", 10_000)) == String.duplicate("x", 4_000) <> "..."
  end

  test "an exception is told by its fields, and by no code of its own" do
    assert Foreign.message(%Computed{code: 3, secret: struct(Pipeline.Plugin.Registry.ReadOnly)}) ==
             "code: 3, secret: %Pipeline.Plugin.Registry.ReadOnly{...}"

    assert Foreign.exception(%RuntimeError{message: "no luck"}) == "RuntimeError: no luck"
  end

  test "those of Elixir are told as Elixir tells them" do
    for exception <- [
          %MatchError{term: [1]},
          %CaseClauseError{term: :a},
          %WithClauseError{term: :a},
          %TryClauseError{term: :a},
          %CondClauseError{},
          %BadMapError{term: 1},
          %BadFunctionError{term: 1},
          %ErlangError{original: :odd},
          %FunctionClauseError{module: Enum, function: :map, arity: 2},
          %File.Error{action: "read file", path: "x", reason: :enoent}
        ] do
      # On one line, where newer versions of Elixir take several.
      assert Foreign.message(exception) ==
               exception |> Exception.message() |> String.split() |> Enum.join(" ")
    end

    assert Foreign.message(%KeyError{key: :a, term: %{b: 1}}) == "key :a not found in: %{b: 1}"

    assert Foreign.message(%UndefinedFunctionError{module: No, function: :f, arity: 0}) =~
             "function No.f/0 is undefined"
  end

  test "the library's own errors are told as they tell themselves, also within each other" do
    inner = %Pipeline.Hook.Error{plugin: :a, point: :step, kind: :before, reason: %Computed{code: 1}}
    outer = %{inner | plugin: :b, reason: inner}

    assert Exception.message(outer) =~
             "plugin :b failed: Pipeline.Hook.Error: the before hook on :step of plugin :a failed:"

    deep = Enum.reduce(1..10_000, inner, fn _, error -> %{error | reason: error} end)
    assert byte_size(Exception.message(deep)) < 5_000
    assert Foreign.message(%{__struct__: Pipeline.Hook.Error, __exception__: true, point: 1}) =~ "point: 1"
  end

  test "a struct that claims to be an error of OTP, Elixir or the library has nothing called that it names" do
    named = {1, __MODULE__, :x}
    claim = fn module, fields -> Map.merge(%{__struct__: module, __exception__: true}, Map.new(fields)) end

    for exception <- [
          claim.(File.Error, action: "read", path: "x", reason: named),
          claim.(Pipeline.Plugin.Store.Error, path: "x", step: :open, reason: named),
          claim.(UndefinedFunctionError, module: __MODULE__, function: :x, arity: 0),
          claim.(Protocol.UndefinedError, protocol: __MODULE__, value: 1),
          claim.(Pipeline.Hook.Error, plugin: nil, point: {}, kind: {}, reason: claim.(Computed, [])),
          claim.(Pipeline.Plugin.Error, step: {}, reason: 1),
          claim.(Pipeline.Runner.Error, node: {}, reason: {:cycle, 1})
        ] do
      assert is_binary(Foreign.message(exception))
    end

    assert Exception.message(%Pipeline.Plugin.Store.Error{path: "x", step: :open, reason: named}) =~
             "{1, Pipeline"
  end

  def format_error(_reason), do: raise("nobody is to call this")

  test "an error is explained by OTP only" do
    {:error, reason, stacktrace} = Pipeline.Hook.Outcome.of(&:ets.lookup(&1, 1), :no_table)
    assert Exception.message(Foreign.normalize(reason, stacktrace)) =~ "1st argument"

    for info <- [%{module: __MODULE__}, %{module: :erl_erts_errors, function: :halt}, %{}, 1] do
      stacktrace = [{__MODULE__, :f, [], [error_info: info]}]
      assert %ArgumentError{message: "argument error"} = Foreign.normalize(:badarg, stacktrace)
    end

    assert %ErlangError{} = Foreign.normalize(:odd, [:no | :stacktrace])
  end

  def format_error(_reason, _stacktrace), do: raise("nobody is to call this")

  defp doubled(0), do: 1
  defp doubled(rounds), do: {doubled(rounds - 1), doubled(rounds - 1)}

  defp shared(term, 0), do: term
  defp shared(term, rounds), do: shared([term, term], rounds - 1)

  test "what inspect shows well it shows as inspect does" do
    for term <- [
          nil,
          :a,
          "a",
          1,
          -2.5,
          [],
          [a: 1],
          [1 | 2],
          {},
          {:ok, "x"},
          %{},
          %{a: %{b: [1]}},
          [{:x, []} | :y]
        ] do
      assert Foreign.term(term) == inspect(term)
    end
  end

  test "any term is short, on one line and takes no time" do
    million = 1_000_000

    for term <- [
          :erlang.bsl(1, 4 * million),
          -:erlang.bsl(1, 4 * million),
          Enum.to_list(1..million),
          List.to_tuple(Enum.to_list(1..million)),
          Map.new(1..million, &{&1, &1}),
          Enum.reduce(1..million, [], fn _, deep -> [deep] end),
          # 2^100 values, were it written out.
          shared(1, 100),
          doubled(10),
          String.duplicate("é", million),
          String.duplicate("\e[2J\n", million),
          :binary.copy(<<255>>, million),
          <<1::size(8_000_001)>>,
          %{String.duplicate("a", million) => :erlang.bsl(1, 4 * million)},
          %{__struct__: Range, first: :erlang.bsl(1, 4 * million)},
          %{__struct__: "none", message: ["\n"]},
          {:unknown_atom, "\e[2J" <> String.duplicate("a", million)},
          self(),
          make_ref(),
          &Foreign.term/1
        ] do
      text = Foreign.term(term)
      assert byte_size(text) <= 4_100
      refute text =~ ~r/[\p{C}\p{Zl}\p{Zp}]/u
    end
  end
end
