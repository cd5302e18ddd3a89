defmodule Pipeline.Native.Hook do
  @moduledoc false
  # A hook of a native library, configured: the NIFs of `native/pipeline_term/src/hook/registration.rs`.

  alias Pipeline.Options

  @enforce_keys [:library, :name, :reference, :cost]
  defstruct @enforce_keys

  @typedoc "The cost of a native hook. A library registers a hook as `:async`; a declaration cannot ask for it."
  @type cost :: :light | :heavy | :blocking | :async

  @type t :: %__MODULE__{library: module, name: atom, reference: reference, cost: cost}

  @typedoc "The parts of a hook's declaration that a native hook is made of."
  @type declaration :: %{
          :native => {library :: module, name :: atom},
          :kind => :before | :after | :around | :replace,
          :config => term,
          :cost => :light | :heavy | :blocking | nil,
          :timeout => pos_integer | nil,
          optional(atom) => term
        }

  @doc "Makes the hook that a declaration names, and checks its configuration."
  @spec configure(declaration) :: {:ok, t} | {:error, String.t()}
  def configure(%{native: {library, name}, config: config} = declaration) do
    with :ok <- check_library(library),
         {:ok, reference} <- native_hook(library, Atom.to_string(name), config),
         {:ok, known} <- known(library, name, declaration.kind),
         {:ok, cost} <- cost(name, declaration, known.cost) do
      {:ok, %__MODULE__{library: library, name: name, reference: reference, cost: cost}}
    else
      {:error, {:unknown_hook, _name, _suggestion}} ->
        known = library.native_hooks() |> Enum.map(& &1.name) |> Enum.sort()

        {:error,
         "#{inspect(library)} has no native hook #{inspect(name)}." <>
           left_out(library, name, known) <> " It has: #{Enum.join(known, ", ")}"}

      # The message names the field.
      {:error, {:invalid_config, _path, message}} ->
        {:error, "the config of the native hook #{inspect(name)} is wrong: #{message}"}

      {:error, {:ambiguous_hook, _name}} ->
        {:error, "#{inspect(library)} registers two native hooks of the name #{inspect(name)}: rename one"}

      {:error, message} ->
        {:error, message}
    end
  end

  @doc "The error for a `timeout:` on a native hook of this cost."
  @spec no_timeout(cost) :: String.t()
  def no_timeout(cost) do
    "timeout: does not reach into a native hook of cost #{inspect(cost)}, which no scheduler can interrupt; " <>
      "leave it out, or say cost: :blocking"
  end

  # The hooks that are Cargo features of pipeline_nif.
  @optional [:json_schema, :count_tokens, :template, :summarise]

  defp left_out(Pipeline.Native, name, _known) when name in @optional do
    " It was built without it: add it to native_features of :pipeline_plugin, and run mix compile."
  end

  defp left_out(_library, name, known), do: Options.did_you_mean(Atom.to_string(name), known)

  defp check_library(library) do
    if match?({:module, _}, Code.ensure_loaded(library)) and function_exported?(library, :native_hook, 2) do
      :ok
    else
      {:error, "#{inspect(library)} is not a native library: a module that uses Pipeline.Native.Library"}
    end
  end

  defp native_hook(library, name, config) do
    library.native_hook(name, config)
  rescue
    # The stub raises while the library is not built.
    error in RuntimeError -> {:error, error.message}
  end

  defp known(library, name, kind) do
    hook = Enum.find(library.native_hooks(), &(&1.name == Atom.to_string(name)))

    if kind in hook.phases do
      {:ok, hook}
    else
      {:error,
       "the native hook #{inspect(name)} is for #{Enum.map_join(hook.phases, ", ", &inspect/1)} hooks, " <>
         "not #{inspect(kind)}"}
    end
  end

  # A hook that waits may run on no scheduler, whatever its declaration says.
  defp cost(name, %{cost: declared}, :async) when declared != nil do
    {:error, "the native hook #{inspect(name)} is polled and holds no thread: leave cost: out"}
  end

  defp cost(name, %{cost: declared}, :blocking) when declared not in [nil, :blocking] do
    {:error, "the native hook #{inspect(name)} blocks, and no scheduler may run it: leave cost: out"}
  end

  defp cost(_name, declaration, known) do
    cost = declaration.cost || known

    if declaration.timeout != nil and cost in [:light, :heavy],
      do: {:error, no_timeout(cost)},
      else: {:ok, cost}
  end
end
