defmodule Pipeline.Plugin.RegistryTest do
  use ExUnit.Case, async: true

  alias Pipeline.Plugin.Registry

  doctest Pipeline.Plugin.Registry

  setup do
    {:ok, registry: Registry.new()}
  end

  test "keeps any term, and gives it back to any process", %{registry: registry} do
    info = %{
      id: :a,
      pid: self(),
      ref: make_ref(),
      fun: &String.upcase/1,
      closure: fn -> 1 end,
      big: Integer.pow(2, 80)
    }

    {:ok, ^registry} = Registry.register(registry, info)
    assert Map.drop(Registry.get(registry, :a), [:capabilities]) == info
    assert Task.await(Task.async(fn -> Registry.get(registry, :a).pid end)) == self()
  end

  test "tells ids as terms, atoms from strings", %{registry: registry} do
    {:ok, _} = Registry.register(registry, %{id: :a, n: 1})
    {:ok, _} = Registry.register(registry, %{id: "a", n: 2})
    assert Registry.get(registry, :a).n == 1
    assert Registry.get(registry, "a").n == 2
    assert Registry.get(registry, :b) == nil
    assert Enum.map(Registry.list(registry), & &1.id) == [:a, "a"]
  end

  test "refuses an id twice and changes nothing", %{registry: registry} do
    {:ok, _} = Registry.register(registry, %{id: :a, n: 1})
    assert Registry.register(registry, %{id: :a, n: 2}) == {:error, {:duplicate_id, :a}}
    assert Registry.get(registry, :a).n == 1
  end

  test "finds by capability, by value and by element", %{registry: registry} do
    {:ok, _} = Registry.register(registry, %{id: :a, capabilities: [types: [:map, :filter], label: "x"]})
    {:ok, _} = Registry.register(registry, %{id: :b, capabilities: [types: :map, bare: []]})
    {:ok, _} = Registry.register(registry, %{id: :c, capabilities: [:bare, {:improper, [1 | 2]}]})

    assert Registry.find_by_capability(registry, :types) == [:a, :b]
    assert Registry.find_by_capability(registry, :types, :map) == [:a, :b]
    assert Registry.find_by_capability(registry, :types, :filter) == [:a]
    assert Registry.find_by_capability(registry, :types, [:map, :filter]) == [:a]
    assert Registry.find_by_capability(registry, :label, "x") == [:a]
    assert Registry.find_by_capability(registry, :bare) == [:b, :c]
    assert Registry.find_by_capability(registry, :improper, [1 | 2]) == [:c]
    assert Registry.find_by_capability(registry, :nothing) == []
  end

  test "forgets what is unregistered", %{registry: registry} do
    {:ok, _} = Registry.register(registry, %{id: :a, capabilities: [provider: [module: A]]})
    assert Registry.get_provider(registry, :provider) == :a
    {:ok, _} = Registry.unregister(registry, :a)
    assert Registry.get(registry, :a) == nil
    assert Registry.get_provider(registry, :provider) == nil
    assert Registry.find_by_capability(registry, :provider) == []
    assert Registry.unregister(registry, :a) == {:error, {:not_registered, :a}}
  end

  test "replaces in place", %{registry: registry} do
    for id <- [:a, :b], do: {:ok, _} = Registry.register(registry, %{id: id, capabilities: [old: []]})
    {:ok, _} = Registry.replace(registry, %{id: :a, capabilities: [new: []]})
    assert Enum.map(Registry.list(registry), & &1.id) == [:a, :b]
    assert Registry.find_by_capability(registry, :old) == [:b]
    assert Registry.find_by_capability(registry, :new) == [:a]
    assert Registry.replace(registry, %{id: :c}) == {:error, {:not_registered, :c}}
  end

  # Two writers give every plugin both of two capabilities, or neither; readers must never see one without the other.
  test "shows readers a plugin whole or not at all", %{registry: registry} do
    writers =
      for writer <- 1..2 do
        Task.async(fn ->
          for n <- 1..2_000 do
            id = "#{writer}-#{rem(n, 20)}"

            case Registry.register(registry, %{id: id, capabilities: [even: [], odd: []], n: n, again: n}) do
              {:ok, _} -> :ok
              {:error, _} -> {:ok, _} = Registry.unregister(registry, id)
            end
          end
        end)
      end

    readers =
      for _ <- 1..2 do
        Task.async(fn ->
          for _ <- 1..5_000 do
            case Registry.get(registry, "1-7") do
              nil -> :ok
              %{capabilities: [even: [], odd: []], n: n, again: n} -> :ok
            end
          end
        end)
      end

    Task.await_many(writers ++ readers, 60_000)

    assert Enum.sort(Registry.find_by_capability(registry, :even)) ==
             Enum.sort(Enum.map(Registry.list(registry), & &1.id))
  end

  test "raises for an argument of a wrong type, and goes on", %{registry: registry} do
    for id <- [1, 1.0, nil_free(), {:a}, [], %{}, self()] do
      assert_raise ArgumentError, fn -> Registry.get(registry, id) end
    end

    assert Registry.list(registry) == []
  end

  defp nil_free, do: <<1::3>>
end
