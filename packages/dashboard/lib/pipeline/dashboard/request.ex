defmodule Pipeline.Dashboard.Request do
  @moduledoc """
  A request to the dashboard, as an adapter of a server makes it.

    * `:method` - in capitals, such as `"GET"`
    * `:path` - without the query and without the prefix that the dashboard is mounted under
    * `:query` and `:form` - decoded, by name
    * `:headers` - by name in small letters
    * `:peer` - the address of the other side as text
  """

  @type t :: %__MODULE__{
          method: String.t(),
          path: String.t(),
          query: %{String.t() => String.t()},
          form: %{String.t() => String.t()},
          headers: %{String.t() => String.t()},
          peer: String.t()
        }

  defstruct method: "GET", path: "/", query: %{}, form: %{}, headers: %{}, peer: ""

  @doc """
  The fields of a query or of a form. What is not encoded properly has none.

      iex> Pipeline.Dashboard.Request.fields("point=greet&by=a%20b")
      %{"by" => "a b", "point" => "greet"}
      iex> Pipeline.Dashboard.Request.fields("%ff=%")
      %{}
  """
  @spec fields(String.t()) :: %{String.t() => String.t()}
  def fields(text) do
    fields = URI.decode_query(text)
    if Enum.all?(fields, fn {name, value} -> String.valid?(name <> value) end), do: fields, else: %{}
  rescue
    ArgumentError -> %{}
  end
end
