defmodule Pipeline.Plugin.SecurityTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Plugin.Security
  alias Pipeline.Sandboxed

  doctest Pipeline.Plugin.Security

  setup %{instance: instance} do
    formula =
      plugin id: :formula do
        capability(:formulas, [:sum, :mean])
        capability(:unit, :metre)
        capability(:sandbox, [Enum])
      end

    plain = plugin([id: "plain"], do: nil)
    {:ok, _} = Manager.load_plugins([formula, plain], instance: instance)
    {:ok, opts: [instance: instance]}
  end

  test "check_capability/3 tells what a plugin has declared, by name and by value", %{opts: opts} do
    for {capability, has?} <- [
          {:formulas, true},
          {{:formulas, :sum}, true},
          {{:formulas, [:sum, :mean]}, true},
          {{:formulas, :median}, false},
          {{:unit, :metre}, true},
          {{:unit, :mile}, false},
          {:nothing, false}
        ] do
      assert Security.check_capability(:formula, capability, opts) == has?
    end

    refute Security.check_capability("plain", :formulas, opts)
    refute Security.check_capability(:nobody, :formulas, opts)
  end

  test "a plugin that has failed has no capabilities", %{instance: instance, opts: opts} do
    registry = Registry.owned(instance)
    {:ok, _} = Registry.replace(registry, %{Registry.get!(registry, :formula) | state: :failed})
    refute Security.check_capability(:formula, :formulas, opts)

    assert Security.sandbox_call(:formula, Sandboxed.sum([1]), opts) ==
             {:error, {:not_started, :formula, :failed}}
  end

  test "sandbox_call/3 lets a function call what its plugin has declared, and no more", %{opts: opts} do
    assert Security.sandbox_call(:formula, Sandboxed.sum([1, 2]), opts) == {:ok, 4}

    assert {:error, {:not_allowed, [{{File, :rm, 1}, _}]}} =
             Security.sandbox_call(:formula, Sandboxed.captured(["x"]), opts)

    assert {:error, {:not_allowed, [{{Enum, :sum, 1}, _}]}} =
             Security.sandbox_call("plain", Sandboxed.sum([1, 2]), opts)

    assert Security.sandbox_call(:nobody, Sandboxed.sum([1, 2]), opts) == {:error, {:not_loaded, :nobody}}
  end

  test "sandbox_call/3 hands its limits on", %{opts: opts} do
    assert Security.sandbox_call(:formula, Sandboxed.growing(1..1_000_000), [max_heap: 100_000] ++ opts) ==
             {:error, :max_heap}

    assert_raise ArgumentError, ~r/unknown option :allowed_modules/, fn ->
      Security.sandbox_call(:formula, Sandboxed.sum([]), [allowed_modules: :all] ++ opts)
    end
  end
end
