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
    assert Map.drop(Registry.get!(registry, :a), [:capabilities]) == info
    assert Task.await(Task.async(fn -> Registry.get!(registry, :a).pid end)) == self()
  end

  test "tells ids as terms, atoms from strings", %{registry: registry} do
    {:ok, _} = Registry.register(registry, %{id: :a, n: 1})
    {:ok, _} = Registry.register(registry, %{id: "a", n: 2})
    assert Registry.get!(registry, :a).n == 1
    assert Registry.get!(registry, "a").n == 2
    assert Registry.get(registry, :b) == :error
    assert Enum.map(Registry.list(registry), & &1.id) == [:a, "a"]
  end

  test "refuses an id twice and changes nothing", %{registry: registry} do
    {:ok, _} = Registry.register(registry, %{id: :a, n: 1})
    assert Registry.register(registry, %{id: :a, n: 2}) == {:error, {:duplicate_id, :a}}
    assert Registry.get!(registry, :a).n == 1
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
    assert Registry.get_provider(registry, :provider) == {:ok, {:a, A}}
    {:ok, _} = Registry.unregister(registry, :a)
    assert Registry.get(registry, :a) == :error
    assert Registry.get_provider(registry, :provider) == :error
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

  test "replaces several in one step, or none", %{registry: registry} do
    for id <- [:a, :b], do: {:ok, _} = Registry.register(registry, %{id: id, n: 1})
    before = Registry.generation(registry)
    assert Registry.replace_all(registry, [%{id: :a, n: 2}, %{id: :c, n: 2}]) == {:error, :not_registered}
    assert Registry.generation(registry) == before
    assert Registry.get!(registry, :a).n == 1

    assert {:ok, ^registry} = Registry.replace_all(registry, [%{id: :b, n: 2}, %{id: :a, n: 2}])
    assert for(%{id: id, n: n} <- Registry.list(registry), do: {id, n}) == [a: 2, b: 2]
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
              :error -> :ok
              {:ok, %{capabilities: [even: [], odd: []], n: n, again: n}} -> :ok
            end
          end
        end)
      end

    Task.await_many(writers ++ readers, 60_000)

    assert Enum.sort(Registry.find_by_capability(registry, :even)) ==
             Enum.sort(Enum.map(Registry.list(registry), & &1.id))
  end

  test "finds the module of the provider that comes first, of two of one plugin too", %{registry: registry} do
    providers = [store: [module: Slow, priority: 10], store: [module: Fast, priority: 90]]
    {:ok, _} = Registry.register(registry, %{id: :a, capabilities: providers})
    assert Registry.get_provider(registry, :store) == {:ok, {:a, Fast}}

    {:ok, _} =
      Registry.register(registry, %{
        id: "a",
        capabilities: [store: [module: Sure, priority: 1, default: true]]
      })

    assert Registry.get_provider(registry, :store) == {:ok, {"a", Sure}}
    assert Registry.get_provider(registry, :cache) == :error
  end

  describe "snapshot/1" do
    test "stays as it was taken", %{registry: registry} do
      {:ok, _} = Registry.register(registry, %{id: :a, n: 1, capabilities: [store: [module: A]]})
      {:ok, _} = Registry.register(registry, %{id: "a", n: 2})
      kept = Registry.snapshot(registry)

      {:ok, _} = Registry.replace(registry, %{id: :a, n: 3})
      {:ok, _} = Registry.unregister(registry, "a")
      {:ok, _} = Registry.register(registry, %{id: :b, capabilities: [store: [module: B]]})

      assert kept.generation == 2
      assert Registry.generation(kept) == 2
      assert for(%{id: id, n: n} <- Registry.list(kept), do: {id, n}) == [{:a, 1}, {"a", 2}]
      assert Registry.get!(kept, :a).n == 1
      assert Registry.get(kept, :b) == :error
      assert Registry.find_by_capability(kept, :store) == [:a]
      assert Registry.find_by_capability(kept, :store, module: A) == [:a]
      assert Registry.get_provider(kept, :store) == {:ok, {:a, A}}

      assert Registry.generation(registry) == 5
      assert Registry.get_provider(registry, :store) == {:ok, {:b, B}}
    end

    test "takes no changes", %{registry: registry} do
      kept = Registry.snapshot(registry)
      assert_raise FunctionClauseError, fn -> apply(Registry, :register, [kept, %{id: :a}]) end
      assert_raise ArgumentError, fn -> Registry.unregister(%{registry | handle: kept.handle}, :a) end
      assert inspect(kept) == "#Pipeline.Plugin.Registry.Snapshot<generation 0>"
    end
  end

  describe "changed_since/2" do
    test "tells each id once, in the order of its last change", %{registry: registry} do
      for id <- [:a, "a", :b], do: {:ok, _} = Registry.register(registry, %{id: id})
      {:ok, _} = Registry.unregister(registry, "a")
      {:ok, _} = Registry.replace(registry, %{id: :a})

      assert Registry.changed_since(registry, 0) ==
               {:ok, %{generation: 5, changed: [:b, :a], removed: ["a"]}}

      assert Registry.changed_since(registry, 4) == {:ok, %{generation: 5, changed: [:a], removed: []}}
      assert Registry.changed_since(registry, 5) == {:ok, %{generation: 5, changed: [], removed: []}}
    end

    test "counts only what changed something", %{registry: registry} do
      {:ok, _} = Registry.register(registry, %{id: :a})
      {:error, _} = Registry.register(registry, %{id: :a})
      {:error, _} = Registry.unregister(registry, :b)
      {:error, _} = Registry.replace(registry, %{id: "a"})
      assert Registry.generation(registry) == 1
    end

    test "says so where it cannot tell", %{registry: registry} do
      assert Registry.changed_since(registry, 1) == {:error, :ahead}
      {:ok, _} = Registry.register(registry, %{id: :a})
      for _ <- 1..4096, do: {:ok, _} = Registry.replace(registry, %{id: :a})
      assert Registry.changed_since(registry, 0) == {:error, :too_old}
      assert {:ok, %{changed: [:a]}} = Registry.changed_since(registry, 1)
    end
  end

  # Copies a registry by its changes while writers change it; in the end both must hold the same.
  test "lets a follower keep up by snapshots and changes", %{registry: registry} do
    writers = for writer <- 1..3, do: Task.async(fn -> change(registry, writer, 3_000) end)

    follower =
      Task.async(fn ->
        follow(registry, %{}, 0, fn -> Enum.all?(writers, &(not Process.alive?(&1.pid))) end)
      end)

    Task.await_many(writers, 60_000)
    copy = Task.await(follower, 60_000)
    assert copy == Map.new(Registry.list(registry), &{&1.id, &1})
  end

  defp follow(registry, copy, generation, over?) do
    over? = if over?.(), do: fn -> true end, else: over?
    snapshot = Registry.snapshot(registry)
    assert snapshot.generation >= generation

    copy =
      case Registry.changed_since(snapshot, generation) do
        {:ok, %{changed: changed, removed: removed, generation: reached}} ->
          assert reached == snapshot.generation
          changed |> Map.new(&{&1, Registry.get!(snapshot, &1)}) |> Enum.into(Map.drop(copy, removed))

        {:error, :too_old} ->
          Map.new(Registry.list(snapshot), &{&1.id, &1})
      end

    # What a snapshot holds agrees in every way of asking, however many writers there are meanwhile.
    assert Enum.sort(Map.keys(copy)) == Enum.sort(for(%{id: id} <- Registry.list(snapshot), do: id))
    assert Registry.find_by_capability(snapshot, :even) == Registry.find_by_capability(snapshot, :odd)
    assert length(Registry.find_by_capability(snapshot, :even)) == map_size(copy)

    if over?.() and Registry.generation(registry) == snapshot.generation,
      do: copy,
      else: follow(registry, copy, snapshot.generation, over?)
  end

  defp change(registry, writer, times) do
    for n <- 1..times do
      info = %{id: "#{writer}-#{rem(n * 7, 20)}", capabilities: [even: [], odd: []], n: n, again: n}

      case Registry.register(registry, info) do
        {:ok, _} ->
          :ok

        {:error, {:duplicate_id, id}} ->
          {:ok, _} =
            if rem(n, 3) == 0, do: Registry.replace(registry, info), else: Registry.unregister(registry, id)
      end
    end
  end

  test "takes 10,000 plugins one at a time and finds each", %{registry: registry} do
    for n <- 1..10_000 do
      {:ok, _} = Registry.register(registry, %{id: "plugin-#{n}", capabilities: [group: rem(n, 100)]})
    end

    assert Registry.generation(registry) == 10_000
    assert length(Registry.find_by_capability(registry, :group)) == 10_000
    assert Enum.take(Registry.find_by_capability(registry, :group, 7), 2) == ["plugin-7", "plugin-107"]
    assert Registry.get!(registry, "plugin-9999").capabilities == [group: 99]
  end

  describe "capabilities beyond the bounds" do
    setup %{registry: registry} do
      {:ok, _} = Registry.register(registry, %{id: :there, capabilities: [x: 1]})
      :ok
    end

    # A copy of it would be the end of the VM.
    defp shared(rounds), do: Enum.reduce(1..rounds, 1, fn _, inner -> {inner, inner} end)

    test "are refused by each writer, and change nothing", %{registry: registry} do
      generation = Registry.generation(registry)

      for capabilities <- [
            [x: Enum.to_list(1..1_000_000)],
            for(n <- 1..11_000, do: {:x, n}),
            [x: shared(40)],
            [x: List.duplicate(shared(40), 2)],
            [{shared(40), 1}],
            [x: String.duplicate("x", 5_000_000)]
          ] do
        info = %{id: :many, capabilities: capabilities}
        refused = {:error, {:too_many_capabilities, :many}}
        assert Registry.register(registry, info) == refused
        assert Registry.register_all(registry, [%{id: :other}, info]) == refused
        there = %{info | id: :there}
        assert Registry.replace(registry, there) == {:error, {:too_many_capabilities, :there}}
        assert Registry.replace_all(registry, [there]) == {:error, {:too_many_capabilities, :there}}
        assert Registry.replace_all(registry, [%{id: :there}, info]) == refused
      end

      assert Registry.generation(registry) == generation
      assert [%{id: :there, capabilities: [x: 1]}] = Registry.list(registry)
    end

    test "of which there are just enough, are found", %{registry: registry} do
      values = Enum.to_list(1..19_998)
      {:ok, _} = Registry.register(registry, %{id: :many, capabilities: [x: values]})
      assert Registry.find_by_capability(registry, :x, 19_998) == [:many]
      assert Registry.find_by_capability(registry, :x, values) == [:many]
      assert Registry.register(registry, %{id: :many}) == {:error, {:duplicate_id, :many}}
      {:ok, _} = Registry.replace(registry, %{id: :many, capabilities: [y: values]})
      assert Registry.find_by_capability(registry, :x, 19_998) == []
      assert Registry.find_by_capability(registry, :y, 19_998) == [:many]
      missing = %{id: :missing, capabilities: [y: values]}
      assert Registry.replace(registry, missing) == {:error, {:not_registered, :missing}}
    end
  end

  test "raises for an argument of a wrong type, and goes on", %{registry: registry} do
    for id <- [1, 1.0, nil_free(), {:a}, [], %{}, self()] do
      assert_raise ArgumentError, fn -> Registry.get!(registry, id) end
    end

    assert Registry.list(registry) == []
  end

  defp nil_free, do: <<1::3>>

  test "several are registered in their order, in one step, or none of them" do
    registry = Registry.new()
    infos = for n <- 1..3, do: %{id: "plugin #{n}", capabilities: [k: n]}
    assert {:ok, ^registry} = Registry.register_all(registry, infos)
    assert Registry.list(registry) == infos
    assert Registry.generation(registry) == 3
    assert Registry.find_by_capability(registry, :k) == ["plugin 1", "plugin 2", "plugin 3"]
    assert Registry.find_by_capability(registry, :k, 2) == ["plugin 2"]

    more = [%{id: "new"}, %{id: "plugin 2"}, %{id: "newer"}]
    assert {:error, {:duplicate_id, "plugin 2"}} = Registry.register_all(registry, more)

    assert {:error, {:duplicate_id, "twice"}} =
             Registry.register_all(registry, [%{id: "twice"}, %{id: "twice"}])

    assert Registry.list(registry) == infos
    assert {:ok, ^registry} = Registry.register_all(registry, [])
    assert {:ok, ^registry} = Registry.register_all(registry, [%{id: "one"}])
    assert {:error, {:duplicate_id, "one"}} = Registry.register_all(registry, [%{id: "one"}])
  end
end
