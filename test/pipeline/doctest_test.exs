defmodule Pipeline.DoctestTest do
  use ExUnit.Case, async: true

  doctest Pipeline.Handlers.DataTransform
  doctest Pipeline.Options
  doctest Pipeline.Plugin.DSL
  doctest Pipeline.Plugin.Manifest
  doctest Pipeline.Providers.Local
end

defmodule Pipeline.DefaultInstanceDoctestTest do
  # These load plugins into the instance that the application starts, so nothing else may run beside them.
  use ExUnit.Case

  doctest Pipeline.Events
  doctest Pipeline.Plugin.Events
  doctest Pipeline.Plugin.Resources
  doctest Pipeline.Provider
  doctest Pipeline.Runner
end
