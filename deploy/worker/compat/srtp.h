// The worker is written against libsrtp 3, which is not packaged. These few
// functions, all that the worker calls, map its interface onto libsrtp 2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <srtp2/srtp.h>

// Error codes that libsrtp 2 does not have and so never returns.
#define srtp_err_status_buffer_small (static_cast<srtp_err_status_t>(28))
#define srtp_err_status_cryptex_err (static_cast<srtp_err_status_t>(29))

struct srtp3_policy
{
	srtp_policy_t policy;
	uint8_t key[SRTP_MAX_KEY_LEN];
};

using srtp3_policy_t = srtp3_policy*;

inline srtp_err_status_t srtp_policy_create(srtp3_policy_t* out)
{
	*out = new srtp3_policy();

	return srtp_err_status_ok;
}

inline void srtp_policy_destroy(srtp3_policy_t p)
{
	// A plain memset() before a delete may be optimised away, and this is a key.
	volatile uint8_t* key = p->key;

	for (size_t i{ 0 }; i < sizeof(p->key); ++i)
	{
		key[i] = 0;
	}

	delete p;
}

inline srtp_err_status_t srtp_policy_set_ssrc(srtp3_policy_t p, srtp_ssrc_t ssrc)
{
	p->policy.ssrc = ssrc;

	return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_policy_set_profile(srtp3_policy_t p, srtp_profile_t profile)
{
	const auto err = srtp_crypto_policy_set_from_profile_for_rtp(&p->policy.rtp, profile);

	if (err != srtp_err_status_ok)
	{
		return err;
	}

	// Not the same as for RTP: the 32 bit profile keeps an 80 bit tag in RTCP.
	return srtp_crypto_policy_set_from_profile_for_rtcp(&p->policy.rtcp, profile);
}

inline srtp_err_status_t srtp_policy_add_key(
  srtp3_policy_t p, const uint8_t* key, size_t keyLen, const uint8_t* salt, size_t saltLen, const uint8_t* /*mki*/, size_t /*mkiLen*/)
{
	if (keyLen + saltLen > sizeof(p->key))
	{
		return srtp_err_status_bad_param;
	}

	std::memcpy(p->key, key, keyLen);
	std::memcpy(p->key + keyLen, salt, saltLen);
	p->policy.key = p->key;

	return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_policy_set_allow_repeat_tx(srtp3_policy_t p, bool allow)
{
	p->policy.allow_repeat_tx = allow ? 1 : 0;

	return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_policy_set_window_size(srtp3_policy_t p, size_t size)
{
	p->policy.window_size = size;

	return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_create(srtp_t* session, srtp3_policy_t p)
{
	return ::srtp_create(session, static_cast<const srtp_policy_t*>(&p->policy));
}

#define srtp_policy_t srtp3_policy_t

// libsrtp 3 writes to a second buffer, libsrtp 2 in place: copy first.
namespace SrtpCompat
{
	using InPlace = srtp_err_status_t (*)(srtp_t, void*, int*);

	template<InPlace function>
	inline srtp_err_status_t run(
	  srtp_t session, const uint8_t* in, size_t inLen, uint8_t* out, size_t* outLen, size_t room)
	{
		if (*outLen < inLen + room)
		{
			return srtp_err_status_buffer_small;
		}

		if (out != in)
		{
			std::memmove(out, in, inLen);
		}

		int len        = static_cast<int>(inLen);
		const auto err = function(session, out, &len);

		*outLen = static_cast<size_t>(len);

		return err;
	}
} // namespace SrtpCompat

inline srtp_err_status_t srtp_protect(
  srtp_t session, const uint8_t* in, size_t inLen, uint8_t* out, size_t* outLen, size_t /*mkiIndex*/)
{
	return SrtpCompat::run<::srtp_protect>(session, in, inLen, out, outLen, SRTP_MAX_TRAILER_LEN);
}

inline srtp_err_status_t srtp_protect_rtcp(
  srtp_t session, const uint8_t* in, size_t inLen, uint8_t* out, size_t* outLen, size_t /*mkiIndex*/)
{
	// RTCP carries a 32 bit index behind the trailer.
	return SrtpCompat::run<::srtp_protect_rtcp>(
	  session, in, inLen, out, outLen, SRTP_MAX_TRAILER_LEN + sizeof(uint32_t));
}

inline srtp_err_status_t srtp_unprotect(
  srtp_t session, const uint8_t* in, size_t inLen, uint8_t* out, size_t* outLen)
{
	return SrtpCompat::run<::srtp_unprotect>(session, in, inLen, out, outLen, 0);
}

inline srtp_err_status_t srtp_unprotect_rtcp(
  srtp_t session, const uint8_t* in, size_t inLen, uint8_t* out, size_t* outLen)
{
	return SrtpCompat::run<::srtp_unprotect_rtcp>(session, in, inLen, out, outLen, 0);
}

// Both versions take the SSRC in network byte order.
inline srtp_err_status_t srtp_stream_remove(srtp_t session, uint32_t ssrc)
{
	return ::srtp_remove_stream(session, ssrc);
}
