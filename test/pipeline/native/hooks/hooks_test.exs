defmodule Pipeline.Native.HooksTest do
  use ExUnit.Case, async: true

  alias Pipeline.Native
  alias Pipeline.Native.Hooks

  doctest Pipeline.Native.Hooks

  @reference "lib/pipeline/native/hooks.md"

  test "the reference is what the library says of itself" do
    assert File.read!(@reference) == Hooks.to_markdown(Hooks.all()),
           "run mix pipeline.hooks --output #{@reference}"
  end

  test "every shipped hook is described, with an example" do
    for hook <- Hooks.all() do
      for text <- [hook.doc, hook.purpose, hook.returns, hook.example],
          do: assert(text != "", "#{hook.name} leaves something out")

      assert hook.example =~ "iex> "
      for field <- hook.fields, do: assert(field.type != "" and field.doc != "", "#{hook.name}.#{field.name}")
    end
  end

  test "the fields are those that the configuration takes" do
    for hook <- Hooks.all() do
      assert {:error, {:invalid_config, ["no_such_field"], message}} =
               Native.native_hook(hook.name, %{no_such_field: 1})

      [_, known] = Regex.run(~r/known: ([a-z_, ]+)/, message)
      assert Enum.sort(String.split(known, ", ")) == Enum.sort(Enum.map(hook.fields, & &1.name)), hook.name
    end
  end

  test "required fields are those without a default" do
    for hook <- Hooks.all() do
      required = for %{default: nil, name: name} <- hook.fields, do: name

      case Native.native_hook(hook.name, %{}) do
        {:ok, _} -> assert required == [], hook.name
        {:error, {:invalid_config, [field], _}} -> assert field in required or required == [], hook.name
      end
    end
  end
end
