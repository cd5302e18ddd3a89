use thiserror::Error;

/// A context in which a request and its response live. `Error` is the family's.
pub trait ServiceContext<Request, Error>: Sized {
    /// The response of the service.
    type Response;

    /// The context that a run begins with.
    fn of(request: Request) -> Self;

    /// The request, for the service. Called anew each time that a hook leads to the service.
    ///
    /// # Errors
    ///
    /// When there is none; the run goes on with that as the failure of the base operation.
    fn request(&mut self) -> Result<Request, Error>;

    /// Takes what the service gave.
    fn respond(&mut self, response: Self::Response);

    /// The result of the run.
    ///
    /// # Errors
    ///
    /// When there is no response.
    fn into_response(self) -> Result<Self::Response, Error>;
}

/// A request and its response.
///
/// The service takes the request. A hook that retries keeps a copy and puts it back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Exchange<Request, Response> {
    /// There until the service takes it.
    pub request: Option<Request>,
    /// There once the service, or a hook in its stead, gave it.
    pub response: Option<Response>,
}

/// A part that an [`Exchange`] lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// A hook took the request, or the service had it before.
    #[error(
        "the exchange has no request; a hook that calls next twice puts the request back before"
    )]
    NoRequest,
    /// A hook answered early or left out its `next`, and gave nothing.
    #[error("the exchange has no response; a hook that answers in place of the service sets it")]
    NoResponse,
}

impl<Request, Response, Error> ServiceContext<Request, Error> for Exchange<Request, Response>
where
    Error: From<ExchangeError>,
{
    type Response = Response;

    fn of(request: Request) -> Self {
        Self {
            request: Some(request),
            response: None,
        }
    }

    fn request(&mut self) -> Result<Request, Error> {
        Ok(self.request.take().ok_or(ExchangeError::NoRequest)?)
    }

    fn respond(&mut self, response: Response) {
        self.response = Some(response);
    }

    fn into_response(self) -> Result<Response, Error> {
        Ok(self.response.ok_or(ExchangeError::NoResponse)?)
    }
}
