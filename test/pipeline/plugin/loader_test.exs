defmodule Pipeline.Plugin.LoaderTest do
  use ExUnit.Case, async: true

  alias Pipeline.Plugin.{Loader, ResolutionError}

  doctest Pipeline.Plugin.Loader

  defp manifest(id, version \\ "1.0.0", dependencies \\ [], capabilities \\ []) do
    %{id: id, version: version, dependencies: dependencies, capabilities: capabilities}
  end

  describe "load_order/2" do
    test "gives waves, each after what it depends on, and the same each time" do
      manifests = [
        manifest(:app, "1.0.0", [{:web, []}, {{:capability, :store}, []}]),
        manifest(:web, "1.0.0", [{:log, [optional: true]}]),
        manifest(:disk, "1.0.0", [], store: []),
        manifest(:memory, "1.0.0", [{:log, []}], store: []),
        manifest(:log)
      ]

      assert Loader.load_order(manifests) == {:ok, [[:disk, :log], [:web, :memory], [:app]]}
      assert {:ok, waves} = Loader.unload_order(manifests)
      assert hd(waves) == [:app]
      assert List.last(waves) |> Enum.sort() == [:disk, :log] or List.last(waves) == [:log]
    end

    test "takes loaded plugins into account" do
      blog = manifest(:blog, "1.0.0", [{:cache, version: "~> 1.0"}, {{:capability, :llm}, []}])
      loaded = [manifest(:cache, "1.9.0"), manifest(:gpt, "1.0.0", [], llm: [])]
      assert Loader.load_order([blog], loaded: loaded) == {:ok, [[:blog]]}
    end

    test "reports every unmet dependency, with what was meant" do
      blog = manifest(:blog, "1.0.0", [{:cahce, []}, {"cache", []}, {{:capability, :lm}, []}])
      loaded = [manifest(:cache), manifest(:gpt, "1.0.0", [], llm: [])]
      assert {:error, %ResolutionError{} = error} = Loader.load_order([blog], loaded: loaded)

      assert error.reason ==
               {:missing_dependencies,
                [
                  {:missing_dependency, :blog, :cahce, nil},
                  {:missing_dependency, :blog, "cache", nil},
                  {:missing_capability, :blog, :lm}
                ]}

      assert Exception.message(error) =~ "blog needs cahce, which is not there"
      assert Exception.message(error) =~ "Did you mean cache?"
      assert Exception.message(error) =~ ~s(blog needs "cache", which is not there)
      assert Exception.message(error) =~ "Did you mean llm?"
    end

    test "names the shortest cycle" do
      manifests = [
        manifest(:a, "1.0.0", [{:b, []}]),
        manifest(:b, "1.0.0", [{:c, []}]),
        manifest(:c, "1.0.0", [{:a, []}, {:d, []}]),
        manifest(:d, "1.0.0", [{:c, []}])
      ]

      assert {:error, %ResolutionError{reason: {:cycle, ids}} = error} = Loader.load_order(manifests)
      assert Enum.sort(ids) == [:c, :d]
      assert Exception.message(error) =~ "c needs d\n  d needs c"
    end

    test "orders 10,000 plugins" do
      manifests =
        for n <- 1..10_000, do: manifest("p#{n}", "1.0.0", if(n > 1, do: [{"p#{n - 1}", []}], else: []))

      assert {:ok, waves} = Loader.load_order(Enum.reverse(manifests))
      assert length(waves) == 10_000
      assert hd(waves) == ["p1"]
    end

    test "reads names and options as they are declared, seen before or not" do
      # A capability may have a name that is no id, and one that is an id too.
      manifests = [
        manifest(:a, "1.0.0", [
          {:b, version: "~> 1.0", version: "~> 9.0"},
          {:c, optional: true, optional: false}
        ]),
        manifest(:b, "1.0.0", [{{:capability, nil}, []}, {{:capability, :a}, version: "~> 9.0"}]),
        manifest("b", "1.0.0", [{{:unknown_atom, "b"}, []}], [{nil, 1}, {:a, 2}]),
        manifest({:unknown_atom, "b"}, "1.0.0", [{"c", version: nil, optional: true}])
      ]

      assert Loader.load_order(manifests) == {:ok, [[{:unknown_atom, "b"}], ["b"], [:b], [:a]]}

      for wrong <- [{nil, []}, {"", []}, {:b, [version: "~> 1.0"] ++ :improper}] do
        bad = manifest(:d, "1.0.0", [wrong])
        assert_raise ArgumentError, ~r/not a manifest/, fn -> Loader.load_order(manifests ++ [bad]) end
      end

      improper = manifest(:d, "1.0.0", [{:b, []} | :improper])
      assert_raise ArgumentError, ~r/not a manifest/, fn -> Loader.load_order([improper]) end
    end

    test "suggests no plugin to itself" do
      assert {:error, error} = Loader.load_order([manifest(:cache, "1.0.0", [{:caches, []}])])
      refute Exception.message(error) =~ "Did you mean"
    end

    test "refuses what is no manifest" do
      for {manifest, problem} <- [
            {manifest(:a, "1"), ~s(its version is "1")},
            {manifest(:a, :latest), "its version is :latest"},
            {manifest(nil), "its id is nil"},
            {manifest(""), ~s(its id is "")},
            {manifest({:a, :b}), "its id is {:a, :b}"},
            {manifest(:a, "1.0.0", [:b]), "its dependency :b is not a pair"},
            {manifest(:a, "1.0.0", [{:b, version: "^1.0.0"}]), ~s(it depends on :b "^1.0.0")},
            {manifest(:a, "1.0.0", [{{:capability, :c}, version: "^1.0.0"}]), ~s("^1.0.0", which is not)},
            {manifest(:a, "1.0.0", [{:b, %{version: "~> 1.0"}}]), "options that are no keyword list"},
            {manifest(:a, "1.0.0", [{nil, []}]), "it depends on nil"},
            {manifest(:a, "1.0.0", [], [:c]), "its capabilities are [:c]"},
            {manifest(:a, "1.0.0", [], [{"c", true}]), "its capabilities are [{"},
            {%{id: :a}, "its manifest has no :version"},
            {:a, "its manifest is not a map but :a"}
          ],
          resolve <- [
            &Loader.load_order([manifest(:b), &1]),
            &Loader.unload_order([&1]),
            &Loader.solve([&1], [:a])
          ] do
        error = assert_raise ArgumentError, fn -> resolve.(manifest) end
        assert Exception.message(error) =~ "not a manifest: "
        assert Exception.message(error) =~ problem
      end
    end
  end

  describe "solve/3" do
    test "takes the newest that fit, keeps what is loaded, honours locks" do
      manifests = for v <- ["1.0.0", "1.5.0", "2.0.0-rc.1", "2.0.0"], do: manifest(:cache, v)
      assert Loader.solve(manifests, [:cache]) == {:ok, %{cache: "2.0.0"}}
      assert Loader.solve(manifests, [{:cache, "~> 1.0"}]) == {:ok, %{cache: "1.5.0"}}
      assert Loader.solve(manifests, [:cache], loaded: %{cache: "1.0.0"}) == {:ok, %{cache: "1.0.0"}}
      assert Loader.solve(manifests, [:cache], locked: %{cache: "1.5.0"}) == {:ok, %{cache: "1.5.0"}}
    end

    test "explains a conflict in words that an author can act on" do
      manifests = [
        manifest(:cache, "1.4.2"),
        manifest(:cache, "2.1.0"),
        manifest(:blog, "1.2.0", [{:cache, version: "~> 1.4"}]),
        manifest(:shop, "3.0.1", [{:cache, version: "~> 2.0"}])
      ]

      assert {:error, %ResolutionError{reason: {:conflict, [disagreement: :cache]}} = error} =
               Loader.solve(manifests, [{:blog, "~> 1.0"}, {:shop, "~> 3.0"}])

      assert Exception.message(error) == """
             Conflict on cache (available: 1.4.2, 2.1.0)
               blog 1.2.0 needs cache ~> 1.4   (app → blog ~> 1.0)
               shop 3.0.1 needs cache ~> 2.0   (app → shop ~> 3.0)
             Relax one of these, or remove blog or shop.\
             """
    end

    test "refuses a root that is none" do
      assert_raise ArgumentError, ~r/a root is an id or {id, requirement}/, fn ->
        Loader.solve([manifest(:a)], [{:a, "one"}])
      end

      for root <- [1, {:a, 1}, {:capability, :a}, {:a, "== 1.0.100000000000000"}] do
        assert_raise ArgumentError, ~r/a root is an id or {id, requirement}/, fn ->
          Loader.solve([manifest(:a)], [root])
        end
      end

      assert_raise ArgumentError, ~r/locked: takes a map of ids to versions: its version is "x"/, fn ->
        Loader.solve([manifest(:a)], [:a], locked: %{a: "x"})
      end
    end
  end
end
