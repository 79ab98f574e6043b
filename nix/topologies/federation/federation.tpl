{{- if or (not .Token.mosaic_grant_id) (not .Token.mosaic_subject_user_id) }}{{ fail "grant and subject are required" }}{{ end -}}
{
  "subject": {{ toJson .Subject }},
  "sans": {{ toJson .SANs }},
  "keyUsage": ["digitalSignature"],
  "extKeyUsage": ["clientAuth"],
  "basicConstraints": {"isCA": false},
  "crlDistributionPoints": ["@{crl_url}"],
  "extensions": [
    {"id": "1.3.6.1.4.1.99999.1", "critical": false, "value": {{ asn1Marshal .Token.mosaic_grant_id "utf8" | toJson }}},
    {"id": "1.3.6.1.4.1.99999.2", "critical": false, "value": {{ asn1Marshal .Token.mosaic_subject_user_id "utf8" | toJson }}}
  ]
}
