defmodule Pipeline.ProviderTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.{Provider, Providers}
  alias Pipeline.Plugins.LocalProvider

  @text """
  Compilers translate programs. Compilers of today translate programs in many passes, and each pass rewrites the program.
  My cat sleeps. A pass of a compiler reads the program and rewrites the program for the next pass. It rained yesterday.
  The last pass of the compilers writes machine code for the program.
  """

  test "summarises with sentences of the text, in their order, without a network" do
    request = %{task: :summarise, input: @text, options: %{sentences: 2}}

    assert {:ok, %{text: summary, model: "textrank", usage: %{input_bytes: bytes}}} =
             Providers.Local.generate(request, %{})

    assert bytes == byte_size(@text)
    sentences = String.split(summary, ~r/(?<=\.) /)
    assert length(sentences) == 2
    text = @text |> String.split() |> Enum.join(" ")
    positions = Enum.map(sentences, fn sentence -> text |> String.split(sentence) |> hd() |> byte_size() end)
    assert positions == Enum.sort(positions)
    refute summary =~ "cat"
    refute summary =~ "rained"
  end

  test "says what it cannot do" do
    assert Providers.Local.generate(%{task: :translate, input: ""}, %{}) ==
             {:error, {:unsupported_task, :translate}}

    assert Providers.Local.generate(%{task: :summarise, input: 1}, %{}) == {:error, {:not_text, 1}}

    assert Providers.Local.generate(%{task: :summarise, input: "", options: %{sentences: 0}}, %{}) ==
             {:error, {:invalid_option, :sentences, 0}}
  end

  test "is found through the registry, after any other provider", %{instance: instance} do
    request = %{task: :summarise, input: @text}
    assert Provider.generate(request, instance: instance) == {:error, :no_provider}
    {:ok, _} = Manager.load_plugin(LocalProvider, %{}, instance: instance)
    assert {:ok, %{model: "textrank"}} = Provider.generate(request, instance: instance)

    defmodule Echo do
      use Pipeline.Plugin, id: :echo
      @behaviour Pipeline.Provider
      provides :provider, __MODULE__

      @impl Pipeline.Provider
      def generate(request, config), do: {:ok, %{text: request.input, model: config.model, usage: %{}}}
    end

    {:ok, _} = Manager.load_plugin(Echo, %{model: "echo-1"}, instance: instance)
    assert {:ok, %{model: "echo-1"}} = Provider.generate(request, instance: instance)
    :ok = Manager.unload_plugin(:echo, instance: instance)
    assert {:ok, %{model: "textrank"}} = Provider.generate(request, instance: instance)
  end
end
