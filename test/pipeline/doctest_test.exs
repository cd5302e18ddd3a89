defmodule Pipeline.DoctestTest do
  use ExUnit.Case, async: true

  doctest Pipeline.Handlers.DataTransform
  doctest Pipeline.Plugin.Manifest
end
