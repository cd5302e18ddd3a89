defmodule Pipeline.Hook.ManagerTest do
  use ExUnit.Case, async: true

  alias Pipeline.Hook.{Error, Manager}

  doctest Manager

  test "registering returns a new manager and leaves the old one as it was" do
    one = Manager.register(Manager.new(), :step, fn context, next -> next.(context + 1) end)
    two = Manager.register(one, :step, fn context, next -> next.(context * 10) end, priority: 60)
    assert Manager.run(Manager.new(), :step, 1) == {:ok, 1}
    assert Manager.run(one, :step, 1) == {:ok, 2}
    assert Manager.run(two, :step, 1) == {:ok, 11}
    assert Manager.run(two, :other, 1, &(&1 * 3)) == {:ok, 3}
  end

  test "a hook without options is a before hook of no plugin" do
    manager = Manager.register(Manager.new(), :step, fn _, _ -> raise "x" end)
    assert {:error, %Error{plugin: nil, kind: :before} = error} = Manager.run(manager, :step, 1)
    assert Exception.message(error) == "the before hook on :step of no plugin failed: RuntimeError: x"
  end

  test "the message of an error names the plugin and what it did" do
    for {fun, described} <- [
          {fn _, _ -> exit(:gone) end, ":gone"},
          {fn _, _ -> throw({:a, 1}) end, "{:a, 1}"},
          {fn _, _ -> :erlang.error(:badarg) end, "ArgumentError: argument error"}
        ] do
      manager = Manager.register(Manager.new(), :step, fun, plugin: "p", kind: :around)
      assert {:error, error} = Manager.run(manager, :step, 1)
      assert Exception.message(error) == "the around hook on :step of plugin \"p\" failed: #{described}"
    end
  end

  for {name, hook, opts, message} <- [
        {"unknown option", quote(do: fn _, _ -> 1 end), [prioirty: 1],
         "unknown option :prioirty of hook :before, :step. Did you mean :priority? " <>
           "Known: :priority, :before, :after, :fun, :on_error, :timeout, :max_heap, :circuit, :when, :native, :config, :cost"},
        {"kind", quote(do: fn _, _ -> 1 end), [kind: :aroud],
         "unknown kind of hook :aroud. Did you mean :around? Known: :before, :after, :around, :replace, :listen"},
        {"native hook", quote(do: {:native, :incremnt, %{}}), [],
         "Pipeline.Native has no native hook :incremnt. Did you mean \"increment\"? It has: cache, count_tokens, drop, " <>
           "increment, json_schema, put, rate_limit, redact, rename, require, retry, summarise, template"},
        {"native config", quote(do: {:native, :increment, %{}}), [],
         "the config of the native hook :increment is wrong: field: missing field field; add it"},
        {"listener on a chain", quote(do: fn _ -> 1 end), [kind: :listen],
         "the hook point :step is a chain and takes no :listen hooks: declare it in a Pipeline.Hook.Spec with " <>
           "mode: :first, :collect or :notify"}
      ] do
    test "refuses, by a message: #{name}" do
      assert_raise ArgumentError, unquote(message), fn ->
        Manager.register(Manager.new(), :step, unquote(hook), unquote(opts))
      end
    end
  end

  test "refuses a function of another arity" do
    assert_raise ArgumentError, ~r/^a :before hook is called as \(context, next\), got: #Function/, fn ->
      Manager.register(Manager.new(), :step, fn _ -> 1 end)
    end
  end

  test "refuses constraints that contradict each other, spelled out" do
    pass = fn context, next -> next.(context) end
    manager = Manager.register(Manager.new(), :step, pass, plugin: :a, before: :b)

    assert_raise ArgumentError,
                 "the before hooks cannot be put in order: a before b (a declares before: b), " <>
                   "b before a (b declares before: a); remove one of the declared constraints",
                 fn -> Manager.register(manager, :step, pass, plugin: :b, before: :a) end
  end
end
