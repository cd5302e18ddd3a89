defmodule Pipeline.Sandboxed do
  @moduledoc "Functions for a sandbox, in a module with a BEAM file."

  def sum(list), do: fn -> Enum.sum(list) + 1 end
  def growing(range), do: fn -> Enum.to_list(range) end
  def captured(list), do: fn -> Enum.each(list, &File.rm/1) end
  def calling(fun), do: fn -> fun.(1) end
  def adding(n), do: fn m -> n + m end
  def allowed(paths), do: fn -> Enum.map(paths, &File.read/1) end
  def by_name(module), do: fn -> module.cwd() end
  def by_field(value), do: fn -> value.cwd end
  def applying(module), do: fn -> apply(module, :cwd, []) end
  def capturing(module), do: fn -> &module.cwd/0 end
  def sending(pid), do: fn -> send(pid, :from_the_sandbox) end
  def spawning(pid), do: fn -> spawn(fn -> send(pid, :from_the_sandbox) end) end
  def naming(text), do: fn -> String.to_atom(text) end
  def through_functions(path), do: fn -> first(path) end
  def through_itself, do: fn -> __MODULE__.leaving() end
  def within(path), do: fn -> Enum.map([path], fn path -> File.read(path) end) end
  def lazily(stream), do: fn -> Enum.to_list(stream) end
  def deep(fun), do: %{list: [{:ok, fun}]} |> then(fn term -> fn -> {:kept, term} end end)

  def rescuing(list) do
    fn ->
      try do
        hd(list)
      rescue
        _ -> :empty
      end
    end
  end

  # Each tries to reach a file, a process or what is shared, other than by a call that names it.
  def around(:comprehension), do: fn -> for x <- [1], into: %{}, do: {x, x} end
  def around(:default), do: fn -> update_in(%{a: 1}[:a], &{&1, 1}) end
  def around(:fun_info), do: fn -> :erlang.fun_info(&File.cwd/0, :module) end
  # Of any version: newer compilers know that a map has no such implementation.
  def around(:protocol), do: fn -> "#{Process.get(:anything)}" end
  def around(:apply_list), do: fn -> :erlang.apply(term(), Map.keys(term())) end
  def around(:apply_three), do: fn -> :erlang.apply(term(), :cwd, []) end
  def around(:static_apply), do: fn -> :erlang.apply(File, :cwd, []) end
  def around(:match_spec), do: fn -> :erlang.match_spec_test({1}, [{{:"$1"}, [], [:"$1"]}], :table) end
  def around(:persistent_term), do: fn -> :persistent_term.put(:around, 1) end
  def around(:atomics), do: fn -> :atomics.put(term(), 1, 1) end
  def around(:dictionary), do: fn -> :erlang.put(:around, 1) end
  def around(:from_bytes), do: fn -> :erlang.binary_to_term(<<131, 106>>) end
  def around(:hibernation), do: fn -> :erlang.hibernate(File, :cwd, []) end
  def around(:struct_of_module), do: fn -> struct(term(), a: 1) end
  def around(:literal), do: fn -> {self(), %{[&File.cwd/0] => 1}} end
  def around(:tuple_call), do: fn -> {File, 1} |> elem(0) |> then(& &1.cwd()) end
  def around(:guard), do: fn -> if self() in [term()], do: send(self(), 1) end
  def around(:flag), do: fn -> :erlang.process_flag(:trap_exit, true) end
  def around(:group_leader), do: fn -> :erlang.group_leader() end
  def around(:signal), do: fn -> :erlang.exit(self(), :kill) end
  def around(:alias), do: fn -> :erlang.alias() end
  def around(:bytes), do: fn -> :erlang.binary_to_list(<<0::size(8_000_000)>>) end
  def around(:bits), do: fn -> :erlang.bitstring_to_list(<<0::size(8_000_001)>>) end
  def around(:trace), do: fn -> :erlang.trace(:all, true, [:call]) end

  def around(:restacked) do
    fn ->
      try do
        :erlang.error(:empty)
      rescue
        _ ->
          :erlang.raise(:error, :badarg, [
            {:m, :f, 0, [error_info: %{module: __MODULE__, function: :escape}]} | __STACKTRACE__
          ])
      end
    end
  end

  @doc "Makes 16 bytes of each byte of a binary, in one step."
  def listed(bytes), do: fn -> length(:erlang.binary_to_list(<<0::size(bytes)-unit(8)>>)) end

  # Through a list, where the compiler does not follow its type.
  defp term, do: last([%{a: 1}])
  defp last([_ | [_ | _] = rest]), do: last(rest)
  defp last([last]), do: last

  # What only computes.
  def computing(:binary_generator), do: fn -> for <<byte <- "abc">>, do: byte + 1 end
  def computing(:bits), do: fn -> for <<(bit::1 <- <<5>>)>>, into: "", do: <<bit>> end
  def computing(:struct_update), do: fn -> %{%{a: 1, b: 2} | a: 3} end

  def computing(:receive) do
    fn ->
      receive do
        fun when is_function(fun) -> fun.()
      after
        0 -> :nothing
      end
    end
  end

  def computing(:reraised) do
    fn ->
      try do
        try do
          :erlang.error(:empty)
        catch
          :error, _ -> :erlang.raise(:error, :again, __STACKTRACE__)
        end
      catch
        :error, reason -> {:again, reason}
      end
    end
  end

  def computing(:guards), do: fn -> (fn x when x * x * x > 0 and x != 7 -> :yes end).(map_size(term())) end

  def explained,
    do: fn -> :erlang.error(:badarg, [], error_info: %{module: __MODULE__, function: :escape}) end

  def explained_by_stacktrace,
    do: fn ->
      :erlang.raise(:error, :badarg, [
        {:m, :f, 0, [error_info: %{module: __MODULE__, function: :escape}]}
      ])
    end

  def exiting(reason), do: fn -> exit(reason) end

  def raising(term), do: fn -> :erlang.error(term) end
  def doubled(n), do: fn -> double([1], n) end
  def doubled_failure(n, kind), do: fn -> fail(kind, double([1], n)) end
  def large_binary(bytes), do: fn -> <<0::size(bytes)-unit(8)>> end
  def dictionary, do: fn -> :erlang.get(:key) end
  def squared(n), do: fn -> square(3, n) end

  def escape(_reason, _stacktrace), do: escaped()
  def message(_claims_to_be_an_exception), do: escaped()
  def escaped?, do: :persistent_term.get({__MODULE__, :escaped}, false)

  defp escaped do
    :persistent_term.put({__MODULE__, :escaped}, true)
    raise "code that nobody has checked"
  end

  def double(term, 0), do: term
  def double(term, n), do: double({term, term}, n - 1)

  defp fail(:error, term), do: :erlang.error(term)
  defp fail(:exit, term), do: exit(term)
  defp fail(:throw, term), do: throw(term)

  defp square(x, 0), do: rem(x, 7)
  defp square(x, n), do: square(x * x, n - 1)

  def leaving, do: System.halt(1)

  defp first(path), do: second(path)
  defp second([]), do: :ok
  defp second([head | tail]), do: if(head == :stop, do: File.rm("x"), else: first(tail))
end
