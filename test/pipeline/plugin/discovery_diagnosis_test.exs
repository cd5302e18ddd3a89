defmodule Pipeline.Plugin.DiagnosisTest do
  use ExUnit.Case, async: true

  alias Pipeline.Plugin.Discovery

  defp found(id, opts \\ []) do
    version = opts[:version] || "1.0.0"

    %{
      path: opts[:path] || "/plugins/#{inspect(id)}-#{version}.beam",
      module: {:unknown_atom, "Elixir.Some"},
      manifest: %{
        id: id,
        version: version,
        capabilities: opts[:capabilities] || [],
        dependencies: opts[:needs] || []
      }
    }
  end

  defp diagnose(found) do
    diagnosed = Discovery.diagnose(found)
    assert Enum.map(diagnosed, &elem(&1, 0)) == found
    Enum.map(diagnosed, &elem(&1, 1))
  end

  test "has nothing against plugins that go together" do
    assert diagnose([]) == []

    assert diagnose([
             found(:blog,
               needs: [{:cache, version: "~> 1.0"}, {{:capability, :llm}, []}, {:x, optional: true}]
             ),
             found(:cache, version: "1.4.0-rc.1"),
             found({:unknown_atom, "gpt"}, capabilities: [llm: []])
           ]) == [:loadable, :loadable, :loadable]
  end

  test "names what is missing and what was meant, and whom that takes along" do
    assert [
             {:unloadable, missing},
             {:unloadable, along},
             {:unloadable, mismatch},
             :loadable,
             {:unloadable, llm}
           ] =
             diagnose([
               found(:blog, needs: [{:cahce, []}]),
               found(:shop, needs: [{:blog, version: "~> 1.0"}, {:cache, []}]),
               found("site", needs: [{:cache, version: "~> 2.0"}]),
               found(:cache),
               found(:chat, needs: [{{:capability, {:unknown_atom, "llm"}}, []}])
             ])

    assert missing ==
             "blog needs cahce, which is not there: load cahce as well, or leave blog out. Did you mean cache?"

    assert along == "it needs blog ~> 1.0, which is found and cannot be loaded itself"
    assert mismatch =~ ~s("site" needs cache ~> 2.0, but cache 1.0.0 is there)
    assert llm =~ "chat needs the capability llm"
  end

  test "does without a broken provider where there is another, and without a broken optional plugin" do
    broken = [{:missing, []}]

    assert [:loadable, {:unloadable, _}, :loadable, {:unloadable, _}] =
             diagnose([
               found(:chat, needs: [{{:capability, :llm}, []}, {:search, optional: true}]),
               found(:gpt, capabilities: [llm: []], needs: broken),
               found(:local, capabilities: [llm: []]),
               found(:search, needs: broken)
             ])
  end

  test "spells a cycle out and takes along who waits for it" do
    assert [{:unloadable, a}, {:unloadable, b}, {:unloadable, c}, :loadable] =
             diagnose([
               found(:a, needs: [{:b, []}]),
               found(:b, needs: [{:a, []}]),
               found(:c, needs: [{:a, []}]),
               found(:d)
             ])

    assert a =~ "a needs b\n  b needs a"
    assert b == a
    assert c == "it needs a, which is found and cannot be loaded itself"
  end

  test "takes the newest version that fits, and of copies the first" do
    assert diagnose([
             found(:cache, version: "1.4.2"),
             found(:cache, version: "2.1.0"),
             found(:cache, version: "1.4.2", path: "/copy.beam"),
             found(:blog, needs: [{:cache, version: "~> 1.0"}])
           ]) == [
             :loadable,
             {:passed_over, "version 1.4.2 is found too and is taken"},
             {:passed_over, "the same version is at /plugins/:cache-1.4.2.beam, which is taken"},
             :loadable
           ]
  end

  test "explains a conflict of versions" do
    assert [:loadable, {:passed_over, _}, :loadable, {:unloadable, conflict}] =
             diagnose([
               found(:cache, version: "1.4.2"),
               found(:cache, version: "2.1.0"),
               found(:blog, needs: [{:cache, version: "~> 1.0"}]),
               found(:shop, needs: [{:cache, version: "~> 2.0"}])
             ])

    assert conflict =~ "Conflict on cache (available: 1.4.2, 2.1.0)"
    assert conflict =~ "shop 1.0.0 needs cache ~> 2.0"
  end

  test "orders a thousand plugins that all need one that is missing" do
    plugins = for n <- 1..1_000, do: found("p#{n}", needs: [{"p#{n + 1}", []}])
    assert [{:unloadable, first} | _] = verdicts = diagnose(plugins)
    assert Enum.all?(verdicts, &match?({:unloadable, _}, &1))
    assert first =~ "which is found and cannot be loaded itself"
  end
end
