//! The errors of wasi:http by the names that its WIT gives them.

use wasip2::http::types::ErrorCode;

/// The name of an error, as `types.wit` of wasi:http 0.2 writes it.
pub fn name(code: &ErrorCode) -> &'static str {
    use ErrorCode as E;
    match code {
        E::DnsTimeout => "DNS-timeout",
        E::DnsError(_) => "DNS-error",
        E::DestinationNotFound => "destination-not-found",
        E::DestinationUnavailable => "destination-unavailable",
        E::DestinationIpProhibited => "destination-IP-prohibited",
        E::DestinationIpUnroutable => "destination-IP-unroutable",
        E::ConnectionRefused => "connection-refused",
        E::ConnectionTerminated => "connection-terminated",
        E::ConnectionTimeout => "connection-timeout",
        E::ConnectionReadTimeout => "connection-read-timeout",
        E::ConnectionWriteTimeout => "connection-write-timeout",
        E::ConnectionLimitReached => "connection-limit-reached",
        E::TlsProtocolError => "TLS-protocol-error",
        E::TlsCertificateError => "TLS-certificate-error",
        E::TlsAlertReceived(_) => "TLS-alert-received",
        E::HttpRequestDenied => "HTTP-request-denied",
        E::HttpRequestLengthRequired => "HTTP-request-length-required",
        E::HttpRequestBodySize(_) => "HTTP-request-body-size",
        E::HttpRequestMethodInvalid => "HTTP-request-method-invalid",
        E::HttpRequestUriInvalid => "HTTP-request-URI-invalid",
        E::HttpRequestUriTooLong => "HTTP-request-URI-too-long",
        E::HttpRequestHeaderSectionSize(_) => "HTTP-request-header-section-size",
        E::HttpRequestHeaderSize(_) => "HTTP-request-header-size",
        E::HttpRequestTrailerSectionSize(_) => "HTTP-request-trailer-section-size",
        E::HttpRequestTrailerSize(_) => "HTTP-request-trailer-size",
        E::HttpResponseIncomplete => "HTTP-response-incomplete",
        E::HttpResponseHeaderSectionSize(_) => "HTTP-response-header-section-size",
        E::HttpResponseHeaderSize(_) => "HTTP-response-header-size",
        E::HttpResponseBodySize(_) => "HTTP-response-body-size",
        E::HttpResponseTrailerSectionSize(_) => "HTTP-response-trailer-section-size",
        E::HttpResponseTrailerSize(_) => "HTTP-response-trailer-size",
        E::HttpResponseTransferCoding(_) => "HTTP-response-transfer-coding",
        E::HttpResponseContentCoding(_) => "HTTP-response-content-coding",
        E::HttpResponseTimeout => "HTTP-response-timeout",
        E::HttpUpgradeFailed => "HTTP-upgrade-failed",
        E::HttpProtocolError => "HTTP-protocol-error",
        E::LoopDetected => "loop-detected",
        E::ConfigurationError => "configuration-error",
        E::InternalError(_) => "internal-error",
    }
}

/// What an error says beside its name; "" where it has nothing to add.
pub fn detail(code: &ErrorCode) -> String {
    match code {
        ErrorCode::InternalError(Some(text)) => text.clone(),
        ErrorCode::DnsError(payload) => payload.rcode.clone().unwrap_or_default(),
        ErrorCode::TlsAlertReceived(payload) => payload.alert_message.clone().unwrap_or_default(),
        ErrorCode::HttpRequestBodySize(Some(size))
        | ErrorCode::HttpResponseBodySize(Some(size)) => size.to_string(),
        _ => String::new(),
    }
}

/// What an error means for whoever asked `host`: a sentence without a full stop at its end.
pub fn sentence(code: &ErrorCode, host: &str) -> String {
    use ErrorCode as E;
    let said = match code {
        E::DnsTimeout | E::DnsError(_) => format!("the name of {host} could not be resolved"),
        E::DestinationNotFound => format!("{host} was not found"),
        E::DestinationUnavailable => format!("{host} is not available"),
        E::DestinationIpProhibited => format!("the address of {host} is not allowed by policy"),
        E::DestinationIpUnroutable => format!("no route leads to {host}"),
        E::ConnectionRefused => format!("{host} refused the connection"),
        E::ConnectionTerminated => format!("{host} closed the connection too early"),
        E::ConnectionTimeout => format!("{host} accepted no connection in time"),
        E::ConnectionReadTimeout => format!("{host} sent nothing for too long"),
        E::ConnectionWriteTimeout => format!("{host} took no more of the request in time"),
        E::ConnectionLimitReached => "too many requests are under way: let some end first".into(),
        E::TlsProtocolError | E::TlsAlertReceived(_) => format!("TLS with {host} failed"),
        E::TlsCertificateError => format!("the certificate of {host} is not valid"),
        E::HttpRequestDenied => format!("the request to {host} was denied by policy"),
        E::HttpRequestLengthRequired => format!("{host} wants to know the body's length first"),
        E::HttpRequestBodySize(_) => "the request's body is larger than is allowed".into(),
        E::HttpRequestMethodInvalid => "this method is not allowed".into(),
        E::HttpRequestUriInvalid => "the URL cannot be requested".into(),
        E::HttpRequestUriTooLong => "the URL is too long".into(),
        E::HttpRequestHeaderSectionSize(_)
        | E::HttpRequestHeaderSize(_)
        | E::HttpRequestTrailerSectionSize(_)
        | E::HttpRequestTrailerSize(_) => "the request's headers are too long".into(),
        E::HttpResponseIncomplete => format!("{host} ended the response too early"),
        E::HttpResponseBodySize(_) => "the response is larger than is allowed".into(),
        E::HttpResponseHeaderSectionSize(_)
        | E::HttpResponseHeaderSize(_)
        | E::HttpResponseTrailerSectionSize(_)
        | E::HttpResponseTrailerSize(_) => "the response's headers are too long".into(),
        E::HttpResponseTransferCoding(_) | E::HttpResponseContentCoding(_) => {
            format!("{host} used a coding that is not supported")
        }
        E::HttpResponseTimeout => format!("{host} did not answer in time"),
        E::HttpUpgradeFailed => format!("{host} wants another protocol than HTTP"),
        E::HttpProtocolError => format!("the exchange with {host} broke off, or was not HTTP"),
        E::LoopDetected => format!("the way to {host} is a loop"),
        E::ConfigurationError => "the network of this tool is not set up rightly".into(),
        E::InternalError(_) => format!("the request to {host} failed"),
    };
    match detail(code) {
        detail if detail.is_empty() => said,
        detail => format!("{said}: {detail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_names_the_host_and_the_policy() {
        let denied = sentence(&ErrorCode::HttpRequestDenied, "example.com");
        assert_eq!(denied, "the request to example.com was denied by policy");
    }

    #[test]
    fn what_an_error_says_beside_its_name_is_kept() {
        let error = ErrorCode::InternalError(Some("no more sockets".into()));
        assert_eq!(sentence(&error, "h"), "the request to h failed: no more sockets");
    }
}
