defmodule Pipeline.Package.Adapter do
  @moduledoc false
  # Does for the plugin layer what it must not name modules of this layer for.

  @behaviour Pipeline.Plugin.Packages

  alias Pipeline.Foreign
  alias Pipeline.Package.{Folder, Problem}

  require Logger

  # An instance starts without its packages too, and says so.
  @impl Pipeline.Plugin.Packages
  def sweep(folder) do
    with {:error, reason} <- Folder.sweep(folder) do
      Logger.error("the folder of packages #{Foreign.path(folder)}: #{Problem.sentence(reason)}")
    end

    :ok
  end
end
