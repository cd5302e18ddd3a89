defmodule Pipeline.Sandboxed do
  @moduledoc "Functions for a sandbox, in a module with a BEAM file."

  def sum(list), do: fn -> Enum.sum(list) + 1 end
  def growing(range), do: fn -> Enum.to_list(range) end
  def captured(list), do: fn -> Enum.each(list, &File.rm/1) end
  def calling(fun), do: fn -> fun.(1) end
  def adding(n), do: fn m -> n + m end
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
