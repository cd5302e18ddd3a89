defmodule Pipeline.Plugin.Packages do
  @moduledoc false
  # Packages of plugins, as this layer sees them. The implementation belongs to a later layer and is named by the
  # application's environment (mix.exs), as `Pipeline.Plugin.Distribution` is.
  #
  # Published for each instance: the folder that its packages are installed in.

  @behaviour Pipeline.Instance.Published

  @doc "Called when an instance with a folder for packages starts: removes what was left half done there."
  @callback sweep(folder :: Path.t()) :: :ok

  @doc "The folder of an instance."
  @spec folder(term) :: Path.t() | nil
  def folder(instance), do: :persistent_term.get({__MODULE__, instance}, nil)

  @impl Pipeline.Instance.Published
  def open(instance, nil), do: close(instance)

  def open(instance, folder) do
    :ok = implementation().sweep(folder)
    :persistent_term.put({__MODULE__, instance}, folder)
  end

  @impl Pipeline.Instance.Published
  def close(instance) do
    :persistent_term.erase({__MODULE__, instance})
    :ok
  end

  defp implementation, do: Application.fetch_env!(:pipeline_plugin, :packages_adapter)
end
