//! Countries as people name them: the codes of ISO 3166-1 and English names, and XK, by which GeoIP files know Kosovo.

use super::known::nearest;

/// What GeoIP's columns say of an address that no file knows.
const UNKNOWN: &str = "unknown";

/// The code of a country by its code of two or three letters, or its name, in any case.
///
/// # Errors
/// A line that names the nearest.
pub fn code(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.eq_ignore_ascii_case(UNKNOWN) {
        return Ok(UNKNOWN.to_owned());
    }
    let simple = simple(text);
    let other = OTHER_NAMES.iter().find(|(name, _)| *name == simple).map(|(_, code)| *code);
    let found = COUNTRIES.iter().find(|(code, long, name)| {
        code.eq_ignore_ascii_case(text) || long.eq_ignore_ascii_case(text) || self::simple(name) == simple
    });
    if let Some(code) = found.map(|(code, ..)| *code).or(other) {
        return Ok(code.to_owned());
    }
    // Of two letters a code was meant, of more a name.
    let is_code = text.chars().count() <= 2;
    let known = COUNTRIES.iter().map(|(code, _, name)| if is_code { *code } else { *name });
    Err(match nearest(text, known) {
        Some(nearest) => format!("no country is called \"{text}\": is it {} that is meant?", told(nearest)),
        None => format!("no country is called \"{text}\": write DE, DEU or Germany"),
    })
}

/// A country by its code or name, with both.
fn told(country: &str) -> String {
    let found = COUNTRIES.iter().find(|(code, _, name)| *code == country || *name == country);
    found.map_or_else(|| country.to_owned(), |(code, _, name)| format!("{code}, {name},"))
}

/// A name in lower case without what people leave out.
fn simple(name: &str) -> String {
    let letters = name.chars().filter(|character| character.is_alphanumeric());
    letters
        .flat_map(char::to_lowercase)
        .map(|letter| match letter {
            'å' => 'a',
            'é' => 'e',
            'ç' => 'c',
            'ô' => 'o',
            'ü' => 'u',
            letter => letter,
        })
        .collect()
}

/// Other usual names, as [`simple`] makes them.
const OTHER_NAMES: [(&str, &str); 22] = [
    ("america", "US"),
    ("britain", "GB"),
    ("burma", "MM"),
    ("cotedivoire", "CI"),
    ("caboverde", "CV"),
    ("czechrepublic", "CZ"),
    ("democraticrepublicofthecongo", "CD"),
    ("easttimor", "TL"),
    ("england", "GB"),
    ("greatbritain", "GB"),
    ("holland", "NL"),
    ("macau", "MO"),
    ("macedonia", "MK"),
    ("republicofkorea", "KR"),
    ("russianfederation", "RU"),
    ("swaziland", "SZ"),
    ("thenetherlands", "NL"),
    ("turkiye", "TR"),
    ("uae", "AE"),
    ("uk", "GB"),
    ("unitedstatesofamerica", "US"),
    ("vatican", "VA"),
];

/// Code of two letters, of three, and name.
#[rustfmt::skip]
const COUNTRIES: [(&str, &str, &str); 250] = [
    ("AD", "AND", "Andorra"), ("AE", "ARE", "United Arab Emirates"), ("AF", "AFG", "Afghanistan"),
    ("AG", "ATG", "Antigua and Barbuda"), ("AI", "AIA", "Anguilla"), ("AL", "ALB", "Albania"),
    ("AM", "ARM", "Armenia"), ("AO", "AGO", "Angola"), ("AQ", "ATA", "Antarctica"), ("AR", "ARG", "Argentina"),
    ("AS", "ASM", "American Samoa"), ("AT", "AUT", "Austria"), ("AU", "AUS", "Australia"), ("AW", "ABW", "Aruba"),
    ("AX", "ALA", "Åland Islands"), ("AZ", "AZE", "Azerbaijan"), ("BA", "BIH", "Bosnia and Herzegovina"),
    ("BB", "BRB", "Barbados"), ("BD", "BGD", "Bangladesh"), ("BE", "BEL", "Belgium"), ("BF", "BFA", "Burkina Faso"),
    ("BG", "BGR", "Bulgaria"), ("BH", "BHR", "Bahrain"), ("BI", "BDI", "Burundi"), ("BJ", "BEN", "Benin"),
    ("BL", "BLM", "Saint Barthélemy"), ("BM", "BMU", "Bermuda"), ("BN", "BRN", "Brunei"), ("BO", "BOL", "Bolivia"),
    ("BQ", "BES", "Caribbean Netherlands"), ("BR", "BRA", "Brazil"), ("BS", "BHS", "Bahamas"),
    ("BT", "BTN", "Bhutan"), ("BV", "BVT", "Bouvet Island"), ("BW", "BWA", "Botswana"), ("BY", "BLR", "Belarus"),
    ("BZ", "BLZ", "Belize"), ("CA", "CAN", "Canada"), ("CC", "CCK", "Cocos Islands"), ("CD", "COD", "DR Congo"),
    ("CF", "CAF", "Central African Republic"), ("CG", "COG", "Congo"), ("CH", "CHE", "Switzerland"),
    ("CI", "CIV", "Ivory Coast"), ("CK", "COK", "Cook Islands"), ("CL", "CHL", "Chile"), ("CM", "CMR", "Cameroon"),
    ("CN", "CHN", "China"), ("CO", "COL", "Colombia"), ("CR", "CRI", "Costa Rica"), ("CU", "CUB", "Cuba"),
    ("CV", "CPV", "Cape Verde"), ("CW", "CUW", "Curaçao"), ("CX", "CXR", "Christmas Island"), ("CY", "CYP", "Cyprus"),
    ("CZ", "CZE", "Czechia"), ("DE", "DEU", "Germany"), ("DJ", "DJI", "Djibouti"), ("DK", "DNK", "Denmark"),
    ("DM", "DMA", "Dominica"), ("DO", "DOM", "Dominican Republic"), ("DZ", "DZA", "Algeria"),
    ("EC", "ECU", "Ecuador"), ("EE", "EST", "Estonia"), ("EG", "EGY", "Egypt"), ("EH", "ESH", "Western Sahara"),
    ("ER", "ERI", "Eritrea"), ("ES", "ESP", "Spain"), ("ET", "ETH", "Ethiopia"), ("FI", "FIN", "Finland"),
    ("FJ", "FJI", "Fiji"), ("FK", "FLK", "Falkland Islands"), ("FM", "FSM", "Micronesia"),
    ("FO", "FRO", "Faroe Islands"), ("FR", "FRA", "France"), ("GA", "GAB", "Gabon"), ("GB", "GBR", "United Kingdom"),
    ("GD", "GRD", "Grenada"), ("GE", "GEO", "Georgia"), ("GF", "GUF", "French Guiana"), ("GG", "GGY", "Guernsey"),
    ("GH", "GHA", "Ghana"), ("GI", "GIB", "Gibraltar"), ("GL", "GRL", "Greenland"), ("GM", "GMB", "Gambia"),
    ("GN", "GIN", "Guinea"), ("GP", "GLP", "Guadeloupe"), ("GQ", "GNQ", "Equatorial Guinea"), ("GR", "GRC", "Greece"),
    ("GS", "SGS", "South Georgia"), ("GT", "GTM", "Guatemala"), ("GU", "GUM", "Guam"), ("GW", "GNB", "Guinea-Bissau"),
    ("GY", "GUY", "Guyana"), ("HK", "HKG", "Hong Kong"), ("HM", "HMD", "Heard and McDonald Islands"),
    ("HN", "HND", "Honduras"), ("HR", "HRV", "Croatia"), ("HT", "HTI", "Haiti"), ("HU", "HUN", "Hungary"),
    ("ID", "IDN", "Indonesia"), ("IE", "IRL", "Ireland"), ("IL", "ISR", "Israel"), ("IM", "IMN", "Isle of Man"),
    ("IN", "IND", "India"), ("IO", "IOT", "British Indian Ocean Territory"), ("IQ", "IRQ", "Iraq"),
    ("IR", "IRN", "Iran"), ("IS", "ISL", "Iceland"), ("IT", "ITA", "Italy"), ("JE", "JEY", "Jersey"),
    ("JM", "JAM", "Jamaica"), ("JO", "JOR", "Jordan"), ("JP", "JPN", "Japan"), ("KE", "KEN", "Kenya"),
    ("KG", "KGZ", "Kyrgyzstan"), ("KH", "KHM", "Cambodia"), ("KI", "KIR", "Kiribati"), ("KM", "COM", "Comoros"),
    ("KN", "KNA", "Saint Kitts and Nevis"), ("KP", "PRK", "North Korea"), ("KR", "KOR", "South Korea"),
    ("KW", "KWT", "Kuwait"), ("KY", "CYM", "Cayman Islands"), ("KZ", "KAZ", "Kazakhstan"), ("LA", "LAO", "Laos"),
    ("LB", "LBN", "Lebanon"), ("LC", "LCA", "Saint Lucia"), ("LI", "LIE", "Liechtenstein"),
    ("LK", "LKA", "Sri Lanka"), ("LR", "LBR", "Liberia"), ("LS", "LSO", "Lesotho"), ("LT", "LTU", "Lithuania"),
    ("LU", "LUX", "Luxembourg"), ("LV", "LVA", "Latvia"), ("LY", "LBY", "Libya"), ("MA", "MAR", "Morocco"),
    ("MC", "MCO", "Monaco"), ("MD", "MDA", "Moldova"), ("ME", "MNE", "Montenegro"), ("MF", "MAF", "Saint Martin"),
    ("MG", "MDG", "Madagascar"), ("MH", "MHL", "Marshall Islands"), ("MK", "MKD", "North Macedonia"),
    ("ML", "MLI", "Mali"), ("MM", "MMR", "Myanmar"), ("MN", "MNG", "Mongolia"), ("MO", "MAC", "Macao"),
    ("MP", "MNP", "Northern Mariana Islands"), ("MQ", "MTQ", "Martinique"), ("MR", "MRT", "Mauritania"),
    ("MS", "MSR", "Montserrat"), ("MT", "MLT", "Malta"), ("MU", "MUS", "Mauritius"), ("MV", "MDV", "Maldives"),
    ("MW", "MWI", "Malawi"), ("MX", "MEX", "Mexico"), ("MY", "MYS", "Malaysia"), ("MZ", "MOZ", "Mozambique"),
    ("NA", "NAM", "Namibia"), ("NC", "NCL", "New Caledonia"), ("NE", "NER", "Niger"), ("NF", "NFK", "Norfolk Island"),
    ("NG", "NGA", "Nigeria"), ("NI", "NIC", "Nicaragua"), ("NL", "NLD", "Netherlands"), ("NO", "NOR", "Norway"),
    ("NP", "NPL", "Nepal"), ("NR", "NRU", "Nauru"), ("NU", "NIU", "Niue"), ("NZ", "NZL", "New Zealand"),
    ("OM", "OMN", "Oman"), ("PA", "PAN", "Panama"), ("PE", "PER", "Peru"), ("PF", "PYF", "French Polynesia"),
    ("PG", "PNG", "Papua New Guinea"), ("PH", "PHL", "Philippines"), ("PK", "PAK", "Pakistan"),
    ("PL", "POL", "Poland"), ("PM", "SPM", "Saint Pierre and Miquelon"), ("PN", "PCN", "Pitcairn"),
    ("PR", "PRI", "Puerto Rico"), ("PS", "PSE", "Palestine"), ("PT", "PRT", "Portugal"), ("PW", "PLW", "Palau"),
    ("PY", "PRY", "Paraguay"), ("QA", "QAT", "Qatar"), ("RE", "REU", "Réunion"), ("RO", "ROU", "Romania"),
    ("RS", "SRB", "Serbia"), ("RU", "RUS", "Russia"), ("RW", "RWA", "Rwanda"), ("SA", "SAU", "Saudi Arabia"),
    ("SB", "SLB", "Solomon Islands"), ("SC", "SYC", "Seychelles"), ("SD", "SDN", "Sudan"), ("SE", "SWE", "Sweden"),
    ("SG", "SGP", "Singapore"), ("SH", "SHN", "Saint Helena"), ("SI", "SVN", "Slovenia"),
    ("SJ", "SJM", "Svalbard and Jan Mayen"), ("SK", "SVK", "Slovakia"), ("SL", "SLE", "Sierra Leone"),
    ("SM", "SMR", "San Marino"), ("SN", "SEN", "Senegal"), ("SO", "SOM", "Somalia"), ("SR", "SUR", "Suriname"),
    ("SS", "SSD", "South Sudan"), ("ST", "STP", "Sao Tome and Principe"), ("SV", "SLV", "El Salvador"),
    ("SX", "SXM", "Sint Maarten"), ("SY", "SYR", "Syria"), ("SZ", "SWZ", "Eswatini"),
    ("TC", "TCA", "Turks and Caicos Islands"), ("TD", "TCD", "Chad"), ("TF", "ATF", "French Southern Territories"),
    ("TG", "TGO", "Togo"), ("TH", "THA", "Thailand"), ("TJ", "TJK", "Tajikistan"), ("TK", "TKL", "Tokelau"),
    ("TL", "TLS", "Timor-Leste"), ("TM", "TKM", "Turkmenistan"), ("TN", "TUN", "Tunisia"), ("TO", "TON", "Tonga"),
    ("TR", "TUR", "Turkey"), ("TT", "TTO", "Trinidad and Tobago"), ("TV", "TUV", "Tuvalu"), ("TW", "TWN", "Taiwan"),
    ("TZ", "TZA", "Tanzania"), ("UA", "UKR", "Ukraine"), ("UG", "UGA", "Uganda"),
    ("UM", "UMI", "U.S. Outlying Islands"), ("US", "USA", "United States"), ("UY", "URY", "Uruguay"),
    ("UZ", "UZB", "Uzbekistan"), ("VA", "VAT", "Vatican City"), ("VC", "VCT", "Saint Vincent and the Grenadines"),
    ("VE", "VEN", "Venezuela"), ("VG", "VGB", "British Virgin Islands"), ("VI", "VIR", "U.S. Virgin Islands"),
    ("VN", "VNM", "Vietnam"), ("VU", "VUT", "Vanuatu"), ("WF", "WLF", "Wallis and Futuna"), ("WS", "WSM", "Samoa"),
    ("XK", "XKX", "Kosovo"), ("YE", "YEM", "Yemen"), ("YT", "MYT", "Mayotte"), ("ZA", "ZAF", "South Africa"),
    ("ZM", "ZMB", "Zambia"), ("ZW", "ZWE", "Zimbabwe"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_found_in_any_case_and_by_name() {
        for (text, expected) in [
            ("DE", "DE"),
            ("de", "DE"),
            ("deu", "DE"),
            ("germany", "DE"),
            (" Germany ", "DE"),
            ("Cote d'Ivoire", "CI"),
            ("ivory coast", "CI"),
            ("UK", "GB"),
            ("united-kingdom", "GB"),
            ("curaçao", "CW"),
            ("Turkiye", "TR"),
            ("Kosovo", "XK"),
            ("Unknown", "unknown"),
        ] {
            assert_eq!(code(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_told_the_nearest() {
        for (text, told) in [("Germny", "DE, Germany,"), ("Frnace", "FR, France,"), ("Swedn", "SE, Sweden,")] {
            let error = code(text).expect_err("no country");
            assert!(error.contains(told), "{error}");
        }
        for text in ["XX", "", "Atlantis", "' OR 1=1"] {
            assert!(code(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_table_is_in_order_and_names_nothing_twice() {
        assert!(COUNTRIES.is_sorted_by(|one, next| one.0 < next.0));
        for (index, (_, long, name)) in COUNTRIES.iter().enumerate() {
            let others = || COUNTRIES.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, row)| row);
            assert!(
                others().all(|(_, other, other_name)| other != long && simple(other_name) != simple(name)),
                "{name}"
            );
        }
        for (name, code) in OTHER_NAMES {
            assert_eq!(simple(name), name);
            assert!(COUNTRIES.iter().any(|(known, ..)| *known == code), "{name}");
        }
    }
}
