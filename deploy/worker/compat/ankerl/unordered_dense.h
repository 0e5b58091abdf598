// ankerl::unordered_dense is not packaged. The worker uses it as faster standard
// containers, never for what only it can do, so the standard ones take its place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>

namespace ankerl::unordered_dense
{
	// The worker combines these hashes of numbers into keys of network addresses.
	// std::hash gives a number back as it is, which would let addresses close to
	// each other, or chosen by an attacker, share a bucket; so mix, as the original.
	template<class Key>
	struct hash
	{
		static_assert(std::is_integral_v<Key>, "the worker hashes only numbers with this");

		size_t operator()(Key key) const noexcept
		{
			const auto product =
			  static_cast<unsigned __int128>(static_cast<uint64_t>(key)) * 0x9e3779b97f4a7c15u;

			return static_cast<size_t>(static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64));
		}
	};

	template<class Key, class Value, class Hash = std::hash<Key>, class Equal = std::equal_to<Key>>
	using map = std::unordered_map<Key, Value, Hash, Equal>;

	template<class Key, class Hash = std::hash<Key>, class Equal = std::equal_to<Key>>
	using set = std::unordered_set<Key, Hash, Equal>;

	template<class Key, class Value, class Hash = std::hash<Key>, class Equal = std::equal_to<Key>>
	using segmented_map = std::unordered_map<Key, Value, Hash, Equal>;
} // namespace ankerl::unordered_dense
