defmodule Pipeline.Plugin.ManifestTest do
  use ExUnit.Case, async: true

  alias Pipeline.Plugin.{Loader, Manifest, Registry}

  doctest Pipeline.Plugin.Manifest

  @manifest %{id: :x, version: "1.0.0", capabilities: [], dependencies: []}

  defp sentence(field, value) do
    case Manifest.check(Map.put(@manifest, field, value)) do
      {:error, sentence} -> sentence
      :ok -> :ok
    end
  end

  test "names the field that is wrong" do
    assert Manifest.check([]) == {:error, "its manifest is not a map but []"}
    assert Manifest.check(Map.delete(@manifest, :version)) == {:error, "its manifest has no :version"}
    assert sentence(:id, nil) == "its id is nil, where an atom or a string belongs"
    assert sentence(:version, "1.0") =~ ~s(its version is "1.0")
    assert sentence(:capabilities, %{}) == "its capabilities are %{}, where a list of {name, value} belongs"
    assert sentence(:dependencies, [:a]) == "its dependency :a is not a pair of id and options"
    assert sentence(:dependencies, [{{1}, []}]) =~ "it depends on {1}, where a plugin id or capability: name"
    assert sentence(:dependencies, a: %{}) =~ "has options that are no keyword list"

    assert sentence(:dependencies, a: [version: "~> 1"]) =~
             ~s(it depends on :a "~> 1", which is not a version)
  end

  test "refuses improper lists and text that is none" do
    assert sentence(:capabilities, [{:a, 1} | :b]) =~ "its capabilities are"
    assert sentence(:dependencies, [{:a, []} | :b]) =~ "its dependencies are"
    assert sentence(:id, <<255>>) =~ "its id is <<255>>"
    assert sentence(:id, {:unknown_atom, <<255>>}) =~ "its id is"
    assert sentence(:version, <<"1.0.0-", 255>>) =~ "its version is"
    assert sentence(:capabilities, [{{:unknown_atom, 1}, []}]) =~ "its capabilities are"
    assert sentence(:capabilities, [{{:a, :b}, []}]) =~ "its capabilities are"
    assert sentence(:dependencies, [{{:capability, "llm"}, []}]) =~ ~s(it depends on {:capability, "llm"})
    assert sentence(:dependencies, [{:a, [version: <<255>>]}]) =~ "which is not a version requirement"
  end

  test "refuses numbers that the core does not hold" do
    long = String.duplicate("9", 15)
    assert sentence(:version, "1.#{long}.0") =~ "its version is"
    assert sentence(:version, "1.0.0-#{long}") =~ "its version is"
    assert sentence(:dependencies, a: [version: "~> #{long}.0"]) =~ "which is not a version requirement"

    assert sentence(:capabilities, store: [module: A, priority: :high]) ==
             "its :store has the priority :high, where an integer belongs"

    assert sentence(:capabilities, store: [module: A, priority: Integer.pow(2, 63)]) =~
             "where an integer belongs"
  end

  test "refuses what would be large once it is copied" do
    shared = Enum.reduce(1..40, 1, fn _, inner -> {inner, inner} end)
    assert sentence(:description, shared) == "its manifest takes more than 8 MiB; shorten it"
    assert sentence(:capabilities, x: shared) == "its manifest takes more than 8 MiB; shorten it"

    for capabilities <- [[x: Enum.to_list(1..20_000)], for(n <- 1..10_001, do: {:x, n})] do
      assert sentence(:capabilities, capabilities) ==
               "its capabilities are too many or too large, and 20000 values and 4 MiB are allowed; shorten their lists"
    end
  end

  test "lets through nothing that the core refuses" do
    long = String.duplicate("9", 14)

    for manifest <- [
          @manifest,
          %{@manifest | id: "x y", version: "#{long}.#{long}.#{long}-#{long}.a+#{long}1"},
          %{@manifest | id: {:unknown_atom, "no such atom"}},
          %{@manifest | capabilities: [{:store, [module: A, priority: -0x7FFFFFFFFFFFFFFF]}, {:a, [1 | 2]}]},
          %{@manifest | dependencies: [{"y", version: "~> #{long}.0 or < 1.0.0-0", optional: 3}]},
          %{@manifest | dependencies: [{{:capability, {:unknown_atom, "no such atom"}}, [other: 1]}]}
        ] do
      assert Manifest.check(manifest) == :ok
      assert {:ok, _} = Registry.register(Registry.new(), manifest)
      assert result = Loader.load_order([manifest])
      assert match?({:ok, _}, result) or match?({:error, %{reason: {:missing_dependencies, _}}}, result)
    end
  end
end
